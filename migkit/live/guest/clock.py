"""The clock of a guest: it stands still while the guest does, and goes on at the destination."""

from __future__ import annotations

import time

__all__ = ["GuestClock"]


class GuestClock:
    """Nanoseconds for which a guest has run.

    Parameters
    ----------
    ran_ns : int
        At the other side, before.
    """

    def __init__(self, ran_ns: int = 0) -> None:
        self._ran_ns = ran_ns
        self._began_ns: int | None = None

    def start(self) -> None:
        """Let it go on."""
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns()

    def stop(self) -> None:
        """Let it stand still."""
        self._ran_ns, self._began_ns = self.now_ns(), None

    def now_ns(self) -> int:
        """Return what it shows."""
        began_ns = self._began_ns
        return self._ran_ns + (0 if began_ns is None else time.monotonic_ns() - began_ns)
