"""Why a migration's channels are broken off at this end: a peer that says nothing, or a yank.

QEMU waits without a limit for what a connection brings. A source that hangs, or a host that is
gone, ends nothing: the destination stays as it is. Here one clock runs over all channels of a
migration, for one of them may be silent while others are not. Sources: migration/yank_functions.c,
util/yank.c.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Watch"]

_LOOK_S = 1.0
_YANKED = ("it was yanked here", "let the source migrate once more, or resume it")


class Watch:
    """Hears what comes, and breaks off when nothing does.

    Parameters
    ----------
    limit_s : float or None
        For how long nothing may come; None for ever.
    end : callable
        Shuts all channels down, from any thread.

    Attributes
    ----------
    reason, remedy : str
        Why they were broken off here, and what to do; empty while they were not.
    """

    def __init__(self, limit_s: float | None, end: Callable[[], None]) -> None:
        self.reason = self.remedy = ""
        self._limit_s, self._end = limit_s, end
        self._heard_s = time.monotonic()
        self._suspected_s: float | None = None
        self._expecting = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def heard(self) -> None:
        """Note that something came, or that what came was worked through."""
        self._heard_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """For how long nothing has come."""
        return time.monotonic() - self._heard_s

    def begin(self) -> None:
        """Expect the source to say something, on a new connection."""
        self.reason = self.remedy = ""
        self.heard()
        self._expecting = True
        if self._limit_s is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
            self._thread.start()

    def rest(self) -> None:
        """Expect nothing: there is no connection."""
        self._expecting = False

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def yank(self) -> None:
        """Break the channels off, from any thread and in any state."""
        self._break_off(*_YANKED)

    def _break_off(self, reason: str, remedy: str) -> None:
        if not self.reason:
            self.reason, self.remedy = reason, remedy
        self._expecting = False
        self._end()

    def look(self, now_s: float) -> None:
        """Break off where nothing came for too long.

        Not at the first look that finds it so: a machine that stood still hears late what came.
        """
        heard, limit = self._heard_s, self._limit_s
        if limit is None or not self._expecting or now_s < heard + limit:
            self._suspected_s = None
        elif self._suspected_s == heard:
            self._break_off(
                f"nothing came for {limit:g} s on any channel",
                "look whether the source hangs or is paused; silence_s (--silence) allows more",
            )
        else:
            self._suspected_s = heard

    def _run(self) -> None:
        limit = self._limit_s or 0.0
        while True:
            left = self._heard_s + limit - time.monotonic()
            if self._stopped.wait(min(max(left, limit / 4), _LOOK_S)):
                return
            self.look(time.monotonic())
