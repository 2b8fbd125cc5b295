"""Capability dirty-limit: a limit for each vCPU's dirty rate (system/dirtylimit.c).

A thread measures each vCPU's rate by what was read out of its ring, and sets how long the vCPU
sleeps when its ring is full next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migkit.oracle import throttling
from migkit.oracle.codes import Event
from migkit.oracle.rings import reap

if TYPE_CHECKING:
    from migkit.oracle.world import World

NEVER = 2**63 - 1


class DirtyLimit:
    """State of the limit.

    Attributes
    ----------
    in_service : bool
        Whether it holds; nothing ends it but a cancelled migration.
    quota_mb_per_s : int
        The limit in force.
    period_ms : int
        How long the running measurement lasts.
    measure_ns : int
        When the running measurement is over.
    waits : bool
        Whether the thread waits for sleeping vCPUs to read their rings.
    counts, rates_mb_per_s : list of int
        Of each vCPU: entries read out when the measurement began, and the last one's result.
    largest_mb_per_s : int
        The largest rate ever adjusted to.
    """

    def __init__(self) -> None:
        self.in_service = False
        self.quota_mb_per_s = 0
        self.period_ms = 0
        self.measure_ns = NEVER
        self.waits = False
        self.counts: list[int] = []
        self.rates_mb_per_s: list[int] = []
        self.largest_mb_per_s = 0


def engage(w: World) -> None:
    """Set the limit for all vCPUs, unless it is in force (migration_dirty_limit_guest)."""
    limit, quota = w.dirty_limit, w.parameters["vcpu-dirty-limit"]
    if limit.in_service and limit.quota_mb_per_s == quota:
        return
    limit.quota_mb_per_s = quota
    if not limit.in_service:
        limit.in_service = True
        limit.counts = [vcpu.dirty_pages for vcpu in w.vcpus]
        limit.rates_mb_per_s = [0] * len(w.vcpus)
        limit.period_ms = w.parameters["x-vcpu-dirty-limit-period"]
        limit.measure_ns = w.t + limit.period_ms * 1_000_000
    w.emit(Event.MIGRATION_DIRTY_LIMIT_GUEST, quota)


def measure(w: World, now: int) -> None:
    """End a measurement, adjust every vCPU's sleep, begin the next (dirtylimit_process).

    To read a ring its vCPU must have left the guest; one that sleeps is waited for.
    """
    limit = w.dirty_limit
    longest = max(vcpu.sleep_end_ns for vcpu in w.vcpus)
    if longest > now and not limit.waits:
        limit.waits = True
        limit.measure_ns = longest
        return
    limit.waits = False
    reap(w, w.vcpus)
    for index, vcpu in enumerate(w.vcpus):
        pages = vcpu.dirty_pages - limit.counts[index]
        limit.counts[index] = vcpu.dirty_pages
        limit.rates_mb_per_s[index] = throttling.dirty_limit_rate(pages, limit.period_ms)
    for vcpu in w.vcpus:
        adjust(w, vcpu.index, now)
    kicks_ns = len(w.vcpus) * w.plan.dirty_log.kick_vcpu_ns
    limit.period_ms = w.parameters["x-vcpu-dirty-limit-period"]
    limit.measure_ns = now + kicks_ns + limit.period_ms * 1_000_000


def adjust(w: World, index: int, now: int) -> None:
    """Set how long a vCPU sleeps from now on when its ring is full (dirtylimit_set_throttle)."""
    limit, quota = w.dirty_limit, w.dirty_limit.quota_mb_per_s
    entries = w.plan.dirty_log.ring_entries
    rate, vcpu = limit.rates_mb_per_s[index], w.vcpus[index]
    percent, step_us = throttling.dirty_limit_linear_step(
        quota, rate, entries, max(limit.largest_mb_per_s, rate)
    )
    vcpu.sleep_us, limit.largest_mb_per_s = throttling.dirty_limit_step(
        quota, rate, vcpu.sleep_us, entries, limit.largest_mb_per_s
    )
    if percent > 0:
        w.emit(Event.DIRTYLIMIT_THROTTLE_PCT, index, percent, step_us, at=now)


def throttle_time_us(w: World) -> int | None:
    """Return the longest sleep of a vCPU with a full ring; None while there is no limit."""
    return max(vcpu.sleep_us for vcpu in w.vcpus) if w.dirty_limit.in_service else None


def ring_full_time_us(w: World) -> int | None:
    """Return how long a ring takes to fill at the vCPUs' average rate; None without a limit."""
    limit = w.dirty_limit
    if not limit.in_service:
        return None
    if sum(limit.rates_mb_per_s) == 0:
        return 0
    rate = sum(limit.rates_mb_per_s) // len(limit.rates_mb_per_s)
    largest = max(limit.largest_mb_per_s, rate)
    return throttling.dirty_limit_full_us(w.plan.dirty_log.ring_entries, largest)
