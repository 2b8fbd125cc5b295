"""Blocktime: how long vCPUs waited for pages (migration/postcopy-ram.c).

Since 10.1 in nanoseconds, with every open fault in a list (postcopy_blocktime_context); before, in
milliseconds, with the last fault of each vCPU only (mark_postcopy_blocktime_begin and _end).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LATENCY_BUCKETS = 24


def latency_bucket(latency_ns: int) -> int:
    """Return the bucket of a latency: powers of two of a microsecond, 24 in all."""
    return min((latency_ns // 2000).bit_length(), LATENCY_BUCKETS - 1)


class Blocktime:
    """The account of one migration.

    Parameters
    ----------
    vcpus : int
        vCPUs of the guest.
    in_ns : bool
        The accounting since 10.1.
    start_ns : int
        Before 10.1: milliseconds count from here.
    """

    def __init__(self, vcpus: int, in_ns: bool, start_ns: int = 0) -> None:
        self.in_ns = in_ns
        self.start_ns = start_ns
        self.down = 0  # vCPUs that wait
        self.last_begin = 0
        self.total = 0  # while all of them waited
        self.vcpu_total = [0] * vcpus
        self.faults = [0] * vcpus
        self.open = [0] * vcpus
        self.waiting: list[tuple[int, int, int]] = []  # page, vCPU, since when
        self.counts = [0] * LATENCY_BUCKETS
        self.last: list[tuple[int, int] | None] = [None] * vcpus  # before 10.1: page, ms

    def begin(self, vcpu: int, page: int, now_ns: int) -> None:
        """Note that a vCPU asks for a page."""
        if not self.in_ns:
            if self.last[vcpu] is None:
                self.down += 1
            self.last_begin = self.low_time_ms(now_ns)
            self.last[vcpu] = (page, self.last_begin)
            return
        self.faults[vcpu] += 1
        self.open[vcpu] += 1
        if self.open[vcpu] == 1:
            self.down += 1
            self.last_begin = now_ns
        self.waiting.append((page, vcpu, now_ns))

    def low_time_ms(self, now_ns: int) -> int:
        """Return the milliseconds since the account was made, 1 at least (get_low_time_offset)."""
        return max(now_ns // 1_000_000 - self.start_ns // 1_000_000, 1)

    def end(self, page: int, now_ns: int) -> None:
        """Note that a page is in place: whoever asked for it goes on."""
        now = now_ns if self.in_ns else self.low_time_ms(now_ns)
        affected = self.end_all(page, now) if self.in_ns else self.end_last(page, now)
        if self.down == len(self.vcpu_total) and affected > 0:
            self.total += now - self.last_begin
        self.down -= affected

    def end_all(self, page: int, now_ns: int) -> int:
        """End every fault on a page; return how many vCPUs wait for nothing any more.

        A vCPU's time is counted when its last open fault ends: the others are lost.
        """
        affected = 0
        for asked, vcpu, since in self.waiting:
            if asked != page:
                continue
            self.counts[latency_bucket(now_ns - since)] += 1
            self.open[vcpu] -= 1
            if self.open[vcpu] == 0:
                self.vcpu_total[vcpu] += now_ns - since
                affected += 1
        self.waiting = [fault for fault in self.waiting if fault[0] != page]
        return affected

    def end_last(self, page: int, now_ms: int) -> int:
        """End the faults on a page that no later one has overwritten; return how many."""
        affected = 0
        for vcpu, last in enumerate(self.last):
            if last is not None and last[0] == page:
                self.last[vcpu] = None
                self.vcpu_total[vcpu] += now_ms - last[1]
                affected += 1
        return affected

    def account(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        return {
            "in_ns": self.in_ns,
            "total": self.total,
            "vcpu_total": tuple(self.vcpu_total),
            "vcpu_faults": tuple(self.faults),
            "latency_counts": tuple(self.counts),
        }


def account_faults(
    vcpus: int, in_ns: bool, start_ns: int, faults: Iterable[tuple[int, int, int]]
) -> dict[str, Any]:
    """Account faults; each is the vCPU that begins one, or -1 for the end, page and time."""
    account = Blocktime(vcpus, in_ns, start_ns)
    for vcpu, page, now_ns in faults:
        if vcpu >= 0:
            account.begin(vcpu, page, now_ns)
        else:
            account.end(page, now_ns)
    return account.account()
