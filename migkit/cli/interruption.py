"""Signals that ask a command to end: Ctrl-C, and the request to terminate."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption", "ends_with_us"]

_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Lets work be ended in order by the first signal, and at once by a second one.

    A signal that is ignored, as by nohup or in the background, stays so.

    Attributes
    ----------
    came : bool
        Whether there was a signal.
    """

    def __init__(self) -> None:
        self.came = self._now = False
        self._stop: Callable[[], None] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def attach(self, stop: Callable[[], None]) -> None:
        """Let a signal stop work, also one that came before.

        Parameters
        ----------
        stop : callable
            Asks the work to end; called in the main thread, in the midst of what it does.
        """
        self._stop = stop
        if self.came:
            stop()

    def at_once(self) -> None:
        """Let a signal end the command wherever it is."""
        self._now = True

    def check(self) -> None:
        """End the command if there was a signal; from here on one ends it at once.

        Raises
        ------
        KeyboardInterrupt
            If there was, or when there is one.
        """
        self._now = True
        if self.came:
            raise KeyboardInterrupt

    def _heard(self, number: int, frame: FrameType | None) -> None:
        second, self.came = self.came or self._now, True
        if second:
            raise KeyboardInterrupt
        if self._stop is not None:
            self._stop()

    def __enter__(self) -> Self:
        """Begin to listen, in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in _REQUESTS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ends_with_us() -> Iterator[None]:
    """Let a request to terminate end everything in order, as an interruption does.

    Once: what is being ended is not disturbed by a second request. A signal that the process was
    started to ignore, as by ``nohup``, stays ignored.
    """
    asked = False

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    heard = [number for number in _REQUESTS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupted) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
