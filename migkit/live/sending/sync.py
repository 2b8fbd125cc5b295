"""Dirty-bitmap syncs, and what hangs on their period of one second: rates, slowing the guest.

Source: migration/ram.c (migration_bitmap_sync, migration_trigger_throttle,
migration_update_rates), migration/cpu-throttle.c (cpu_throttle_dirty_sync_timer_tick).
"""

from __future__ import annotations

from migkit._engine import decisions, throttling

from .limiter import now_ms
from .outgoing import Outgoing

__all__ = ["start_timer", "sync", "timer_sync"]

_TIMER_MS = 5000


def sync(m: Outgoing, *, last: bool = False) -> None:
    """Take over what the guest wrote since the last time; a period ends after more than 1 s.

    Parameters
    ----------
    m : Outgoing
        The migration.
    last : bool
        Whether the guest stands still: QEMU 11.1 does not count such a sync.
    """
    period = m.period
    m.counted.syncs += decisions.sync_counted(last, m.syncs.counts_last_sync)
    period.start_ms = period.start_ms or now_ms()
    m.trail.add("migration_bitmap_sync_start")
    period.pages += m.dirty.mark(m.guest.take_log())
    m.counted.dirty_bytes_last_sync = m.pending_bytes
    m.trail.add("migration_bitmap_sync_end", dirty_pages=period.pages)
    end = now_ms()
    if decisions.sync_period_over(end, period.start_ms):
        _close_period(m, end)


def start_timer(m: Outgoing) -> None:
    """Let auto-converge's own syncs come every five seconds."""
    m.period.timer_ms = now_ms() + _TIMER_MS


def timer_sync(m: Outgoing) -> None:
    """Sync for auto-converge where nothing else did for five seconds."""
    period = m.period
    if "auto-converge" not in m.capabilities or m.in_postcopy or now_ms() < period.timer_ms:
        return
    if throttling.throttle_timer_sync_due(m.counted.syncs, period.timer_syncs):
        m.trail.add("cpu_throttle_dirty_sync")
        sync(m)
    period.timer_syncs = m.counted.syncs
    start_timer(m)


def _close_period(m: Outgoing, end_ms: int) -> None:
    period, counted = m.period, m.counted
    sent = counted.transferred - period.start_bytes
    dirty = period.pages * m.image.page_size
    trigger = m.parameters.throttle_trigger_threshold_percent
    wanted = throttling.throttle_wanted(dirty, sent, trigger)
    period.bad, acts = throttling.throttle_count_step(period.bad, wanted)
    if acts:
        _slow_down(m, throttling.throttle_threshold_bytes(sent, trigger), dirty)
    spent = end_ms - period.start_ms
    counted.dirty_pages_rate = decisions.dirty_pages_rate(period.pages, spent)
    if m.xbzrle is not None:
        m.xbzrle.update_rates()
    period.start_ms, period.pages = end_ms, 0
    period.start_bytes = counted.transferred


def _slow_down(m: Outgoing, threshold_bytes: int, dirty_bytes: int) -> None:
    if "auto-converge" in m.capabilities:
        _throttle(m, threshold_bytes, dirty_bytes)
    elif "dirty-limit" in m.capabilities and m.guest.vcpu.ring is None:
        quota = m.parameters.vcpu_dirty_limit_mb_per_s
        m.trail.add("migration_dirty_limit_guest", quota=quota)
        m.guest.limit(quota, m.parameters.x_vcpu_dirty_limit_period_ms, m.trail.add)


def _throttle(m: Outgoing, threshold_bytes: int, dirty_bytes: int) -> None:
    values = m.parameters
    m.trail.add("migration_throttle")
    asked = throttling.throttle_step(
        m.guest.vcpu.percentage,
        values.cpu_throttle_initial_percent,
        values.cpu_throttle_increment_percent,
        values.cpu_throttle_tailslow,
        values.max_cpu_throttle_percent,
        threshold_bytes,
        dirty_bytes,
    )
    m.trail.add("cpu_throttle_set", percentage=asked)
    percentage = throttling.throttle_clamped(asked)
    m.guest.throttle(percentage)
    m.throttled.append((m.trail.now_ns(), percentage))
