"""The period of dirty-bitmap syncs: what was counted since it began."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SyncPeriod"]


@dataclass
class SyncPeriod:
    """What is judged when more than a second is over (migration/ram.c, RAMState).

    Attributes
    ----------
    start_ms, start_bytes : int
        When it began, and bytes transferred by then.
    pages : int
        Pages found newly dirty since.
    bad : int
        Periods in which the guest dirtied too much; QEMU's ``dirty_rate_high_cnt``.
    timer_ms, timer_syncs : int
        When auto-converge's timer is due, and the syncs when it was last.
    """

    start_ms: int = 0
    start_bytes: int = 0
    pages: int = 0
    bad: int = 0
    timer_ms: int = 0
    timer_syncs: int = 0
