"""Windows of 100 ms: the budget of each, what it measured, and the sleep to its end.

All that decides is `migkit._engine.decisions`. Source: migration/migration.c
(migration_rate_limit, migration_update_counters), migration/migration-stats.c.
"""

from __future__ import annotations

import time

from migkit._engine import decisions
from migkit.parameters import MigrationParameters

from .counted import Counted
from .trail import Trail

__all__ = ["Limiter", "now_ms"]


def now_ms() -> int:
    """Return whole milliseconds of the clock that windows go by."""
    return time.monotonic_ns() // 1_000_000


class Limiter:
    """The rate limit of the source.

    Parameters
    ----------
    parameters : MigrationParameters
        Bandwidths and downtime-limit.
    counted : Counted
        Whose bytes are limited; told what each window measured.
    trail : Trail
        Told of each window.

    Attributes
    ----------
    threshold : int
        QEMU's ``threshold_size``: bytes that fit into the downtime limit, by the last window.
    """

    def __init__(self, parameters: MigrationParameters, counted: Counted, trail: Trail) -> None:
        self.threshold = 0
        self._parameters = parameters
        self._counted = counted
        self._trail = trail
        self._most = 0
        self._start_bytes = 0
        counted.expected_downtime_ms = parameters.downtime_limit_ms
        self.set_rate(parameters.max_bandwidth_bytes_per_s)
        self.begin()

    def begin(self) -> None:
        """Let a window begin with nothing sent in it."""
        self._start_ms = now_ms()
        self._initial_bytes = self._counted.transferred
        self._initial_pages = self._counted.sent_pages

    def set_rate(self, bytes_per_s: int) -> None:
        """Set the limit; 0 is none."""
        self._most = decisions.rate_limit_max(bytes_per_s)

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._most != 0

    def exceeded(self) -> bool:
        """Tell whether this window's budget is used up."""
        return decisions.rate_exceeded(self._counted.transferred, self._start_bytes, self._most)

    def update(self) -> None:
        """Close the window if it is over."""
        now = now_ms()
        if not decisions.window_closes(now, self._start_ms):
            return
        counted, parameters = self._counted, self._parameters
        sent, spent = counted.transferred - self._initial_bytes, now - self._start_ms
        available = parameters.avail_switchover_bandwidth_bytes_per_s
        limit = parameters.downtime_limit_ms
        self.threshold = decisions.threshold_size(sent, spent, available, limit)
        counted.mbps = decisions.mbps(sent, spent)
        pages = counted.sent_pages - self._initial_pages
        counted.pages_per_second = decisions.pages_per_second(pages, spent)
        if decisions.expected_downtime_refreshed(counted.dirty_pages_rate, sent):
            counted.expected_downtime_ms = decisions.expected_downtime_ms(
                counted.dirty_bytes_last_sync, sent, spent, available
            )
        self._start_bytes = counted.transferred
        self.begin()
        self._trail.add(
            "migrate_transferred",
            transferred=sent,
            time_spent=spent,
            bandwidth=int(decisions.window_bandwidth(sent, spent)),
            switchover_bw=available // 1000,
            max_size=self.threshold,
        )

    def limit(self) -> None:
        """Sleep to the end of the window where its budget is used up.

        A request of the destination ends QEMU's sleep early, but it is not served before the
        window is over (migration/savevm.c, qemu_savevm_state_iterate); so it does not here.
        """
        self.update()
        if self.exceeded():
            wait_ms = decisions.rate_limit_sleep_ms(self._start_ms, now_ms())
            time.sleep(max(wait_ms, 0) / 1000)
