"""Bytes that wait for their turn, and bytes that are on their way for a while."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from migkit.channels import Channel
from migkit.errors import ChannelError

from .line import Line

__all__ = ["Outlet", "Pace"]

_BURST_NS = 10_000_000
_LEAST_PIECE = 4096
_MOST_PIECE = 1 << 20
_MESSAGE = 131_328
"""What QEMU writes at once: 64 vectors, which are 32 pages and their headers (qemu-file.c)."""
_MOST_UNDERWAY = 64 << 20


class Pace:
    """Lets bytes pass as the line carries them, all connections together.

    Parameters
    ----------
    line : Line
        The link.
    now : callable
        Returns the nanoseconds after the first byte.
    stop : threading.Event
        Set when nothing is to wait any longer.
    """

    def __init__(self, line: Line, now: Callable[[], int], stop: threading.Event) -> None:
        self.line, self.now, self.stop = line, now, stop
        self._changed = threading.Condition()

    @property
    def piece(self) -> int:
        """Bytes to pass at a time."""
        line = self.line
        if not line.limits and not line.delays:
            return _MOST_PIECE
        with self._changed:
            rate = line.rate(self.now())
        fits = _MOST_PIECE if not rate else rate * _BURST_NS // 1_000_000_000
        return min(_MESSAGE if line.delays else _MOST_PIECE, max(_LEAST_PIECE, fits))

    def wait(self, count: int) -> int:
        """Wait for the turn of so many bytes, or until told to stop; returns when it was."""
        line = self.line
        if not line.limits:
            return self.now()
        with self._changed:
            place = line.take(self.now() - _BURST_NS, count)
            while not self.stop.is_set():
                left, now = line.left(place), self.now()
                if left <= now:
                    return left
                self._changed.wait((left - now) / 1e9)
        return self.now()

    def arrives(self, way: int, back: bool, sent: int, count: int) -> int:
        """Return when a message is there."""
        with self._changed:
            return self.line.arrives(way, back, sent, count)

    def change(self, arguments: Mapping[str, Any]) -> None:
        """Let the link be another from now on."""
        now = self.now()
        with self._changed:
            self.line.change(now, arguments)
            self._changed.notify_all()

    def recover(self) -> None:
        """Let the link be what it is after a recovery."""
        now = self.now()
        with self._changed:
            self.line.recover(now)
            self._changed.notify_all()

    def share(self, connections: int) -> None:
        """Let so many connections share the link."""
        now = self.now()
        with self._changed:
            self.line.share(now, connections)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nothing wait any longer."""
        with self._changed:
            self._changed.notify_all()


class Outlet:
    """Writes to a channel what has left, in order, each message when it arrives.

    As long as the line delays nothing, it is written at once.

    Parameters
    ----------
    channel : Channel
        Where to.
    pace : Pace
        Knows the line.
    way : int
        Number of the direction of this connection.
    back : bool
        Whether it leads to the source.
    """

    def __init__(self, channel: Channel, pace: Pace, way: int, *, back: bool) -> None:
        self._channel, self._pace = channel, pace
        self._way, self._back = way, back
        self._underway: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._change = threading.Condition()
        self._ended = self._broken = False
        self._thread: threading.Thread | None = None

    def write(self, data: memoryview, sent: int) -> None:
        """Take bytes that have left; waits while very many are on their way.

        Raises
        ------
        ChannelError
            If the peer takes no more.
        """
        if self._thread is None:
            if not self._pace.line.delays:
                self._channel.write(data)
                return
            self._thread = threading.Thread(target=self._run, name="tap delay", daemon=True)
            self._thread.start()
        due = self._pace.arrives(self._way, self._back, sent, len(data))
        with self._change:
            self._change.wait_for(lambda: self._size < _MOST_UNDERWAY or self._broken)
            if self._broken:
                raise ChannelError.of("channel of a tap", "it is closed", "look at the peer's log")
            self._underway.append((due, bytes(data)))
            self._size += len(data)
            self._change.notify_all()

    def finish(self) -> None:
        """Wait until all that was taken is written."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._underway or self._ended)
                if not self._underway:
                    return
                due, data = self._underway.popleft()
            late = due - self._pace.now()
            if late > 0:
                self._pace.stop.wait(late / 1e9)
            try:
                self._channel.write(data)
            except ChannelError:
                self._break()
                return
            with self._change:
                self._size -= len(data)
                self._change.notify_all()

    def _break(self) -> None:
        with self._change:
            self._broken = True
            self._underway.clear()
            self._change.notify_all()
