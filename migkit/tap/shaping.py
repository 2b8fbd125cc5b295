"""A slower link: bytes that wait for their turn, and bytes that are on their way for a while."""

from __future__ import annotations

import threading
import time
from collections import deque

from migkit.channels import Channel
from migkit.errors import ChannelError

__all__ = ["DelayLine", "Pace"]

_BURST_S = 0.01
_LEAST_PIECE = 4096
_MOST_PIECE = 1 << 20
_MOST_UNDERWAY = 64 << 20


class Pace:
    """Lets so many bytes a second pass, over all connections together.

    Parameters
    ----------
    bytes_per_s : int or None
        None lets all pass at once.
    """

    def __init__(self, bytes_per_s: int | None) -> None:
        self._rate = bytes_per_s
        self._lock = threading.Lock()
        self._free_s = 0.0

    @property
    def piece(self) -> int:
        """Bytes to pass at a time."""
        if self._rate is None:
            return _MOST_PIECE
        return min(_MOST_PIECE, max(_LEAST_PIECE, int(self._rate * _BURST_S)))

    def change(self, bytes_per_s: int | None) -> None:
        """Let so many pass from now on."""
        self._rate = bytes_per_s

    def wait(self, count: int, stop: threading.Event) -> None:
        """Wait for the turn of so many bytes, or until told to stop."""
        rate = self._rate
        if rate is None:
            return
        with self._lock:
            turn = max(self._free_s, time.monotonic() - _BURST_S)
            self._free_s = turn + count / rate
        late = self._free_s - time.monotonic()
        if late > 0:
            stop.wait(late)


class DelayLine:
    """Writes to a channel what came a while ago, in order.

    Parameters
    ----------
    channel : Channel
        Where to.
    latency_s : float
        How long each byte is on its way.
    """

    def __init__(self, channel: Channel, latency_s: float) -> None:
        self._channel = channel
        self._latency_s = latency_s
        self._underway: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._change = threading.Condition()
        self._ended = self._broken = False
        self._thread = threading.Thread(target=self._run, name="tap delay", daemon=True)
        self._thread.start()

    def write(self, data: memoryview) -> None:
        """Take bytes; waits while very many are on their way.

        Raises
        ------
        ChannelError
            If the peer takes no more.
        """
        with self._change:
            self._change.wait_for(lambda: self._size < _MOST_UNDERWAY or self._broken)
            if self._broken:
                raise ChannelError.of("channel of a tap", "it is closed", "look at the peer's log")
            self._underway.append((time.monotonic() + self._latency_s, bytes(data)))
            self._size += len(data)
            self._change.notify_all()

    def finish(self) -> None:
        """Wait until all that was taken is written."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._underway or self._ended)
                if not self._underway:
                    return
                due, data = self._underway.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
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
