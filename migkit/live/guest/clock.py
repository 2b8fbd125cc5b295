"""The clock of a guest: it stands still while the guest does, and goes on at the destination.

While its vCPUs are throttled it stands still in their sleep too, so nothing is caught up. Source:
system/cpu-throttle.c (cpu_throttle_thread, cpu_throttle_timer_tick).
"""

from __future__ import annotations

import time
from typing import NamedTuple

from migkit._engine import throttling

__all__ = ["GuestClock"]


class _Stretch(NamedTuple):
    """Since when it goes as it does, by the monotonic clock, and what it showed then."""

    ran_ns: int
    began_ns: int | None
    percentage: int

    def shows_ns(self) -> int:
        if self.began_ns is None:
            return self.ran_ns
        since_ns = time.monotonic_ns() - self.began_ns
        if not self.percentage:
            return self.ran_ns + since_ns
        period_ns = throttling.throttle_period_ns(self.percentage)
        sleep_ns = throttling.throttle_sleep_ns(self.percentage)
        whole, into_ns = divmod(since_ns, period_ns)
        return self.ran_ns + whole * (period_ns - sleep_ns) + max(into_ns - sleep_ns, 0)


class GuestClock:
    """Nanoseconds for which a guest has run; read by many threads, set by one.

    Parameters
    ----------
    ran_ns : int
        At the other side, before.
    """

    def __init__(self, ran_ns: int = 0) -> None:
        self._now = _Stretch(ran_ns, None, 0)

    @property
    def percentage(self) -> int:
        """QEMU's ``cpu-throttle-percentage``."""
        return self._now.percentage

    def start(self) -> None:
        """Let it go on."""
        if self._now.began_ns is None:
            self._now = self._now._replace(began_ns=time.monotonic_ns())

    def stop(self) -> None:
        """Let it stand still."""
        self._now = _Stretch(self.now_ns(), None, self._now.percentage)

    def throttle(self, percentage: int) -> None:
        """Let it sleep for this share of its time from now on, as auto-converge has vCPUs do."""
        began_ns = None if self._now.began_ns is None else time.monotonic_ns()
        self._now = _Stretch(self.now_ns(), began_ns, percentage)

    def now_ns(self) -> int:
        """Return what it shows."""
        return self._now.shows_ns()
