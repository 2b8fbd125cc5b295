"""The clock of a guest: it stands still while the guest does, and goes on at the destination.

While its vCPUs are throttled it stands still in their sleep too, so nothing is caught up.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from migkit.live.run_time import RunTime

__all__ = ["GuestClock"]


class _Stretch(NamedTuple):
    """Since when the guest runs, by the monotonic clock, and for how long it did before."""

    before_ns: int
    began_ns: int | None

    def lasts_ns(self) -> int:
        if self.began_ns is None:
            return self.before_ns
        return self.before_ns + time.monotonic_ns() - self.began_ns


class GuestClock:
    """Nanoseconds for which a guest has run; read by many threads, set by one.

    Parameters
    ----------
    ran_ns : int
        At the other side, before.
    """

    def __init__(self, ran_ns: int = 0) -> None:
        self._ran_ns = ran_ns
        self._here = _Stretch(0, None)
        self._time = RunTime()

    @property
    def percentage(self) -> int:
        """QEMU's ``cpu-throttle-percentage``."""
        return self._time.percentage

    def start(self) -> None:
        """Let it go on."""
        if self._here.began_ns is None:
            self._here = self._here._replace(began_ns=time.monotonic_ns())

    def stop(self) -> None:
        """Let it stand still."""
        self._here = _Stretch(self._here.lasts_ns(), None)

    def throttle(self, percentage: int) -> None:
        """Let it sleep for this share of its time, as auto-converge has vCPUs do; 0 for none."""
        self._time.throttle(percentage, self._here.lasts_ns())

    def now_ns(self) -> int:
        """Return what it shows."""
        return self._ran_ns + self._time.at(self._here.lasts_ns())
