"""A cursor over a channel: what is not there yet is waited for.

The readers of `migkit.stream` walk a buffer; here the buffer is filled as they go on. It keeps
what the record that is being read has begun with, and lets go of the rest between two records, so
its size is bounded by the largest record and not by the stream.
"""

from __future__ import annotations

import time

from migkit.channels import Channel
from migkit.errors import ChannelError, StreamError
from migkit.stream.cursor import Cursor

from .watch import Watch

__all__ = ["MOST_RECORD_BYTES", "ChannelCursor", "CutError"]

BUFFER_BYTES = 1 << 20
"""Large enough for a run of pages, small enough to stay in a processor's cache."""
MOST_RECORD_BYTES = 1 << 28
"""The largest record that is not RAM, such as the package that opens postcopy."""
_IDLE_S = 1.0


class ChannelCursor(Cursor):
    """A place in what a channel brings.

    Parameters
    ----------
    channel : Channel
        Read by this cursor alone.
    watch : Watch
        Hears what comes, and says why the channel was broken off at this end.
    size : int
        Bytes of the buffer at first.

    Attributes
    ----------
    base : int
        Bytes of the channel that were let go of.
    received_s : float
        When the last bytes came, by the monotonic clock.
    broken : str
        Why the channel ended, where it did not end by itself.
    """

    live = True

    def __init__(self, channel: Channel, watch: Watch, size: int = BUFFER_BYTES) -> None:
        super().__init__(bytearray(size), 0, 0)
        self._channel, self._watch = channel, watch
        self._awaited = "what follows"
        self._view = memoryview(self.data)
        self._ended = False
        self.received_s = time.monotonic()
        self.broken = ""

    def have(self, count: int) -> bool:
        """Wait for so many bytes; False where the channel ends before."""
        while self.left < count and self._fetch(count):
            pass
        return self.left >= count

    def await_at(self, at: int, count: int) -> None:
        """Wait for bytes that may follow, but not where none come for a while."""
        wanted = at + count - self.at
        while self.left < wanted and not self._ended and self._channel.ready(_IDLE_S):
            self._fetch(wanted)

    def more(self) -> bool:
        """Wait for any bytes more than there are; False at the channel's end."""
        self._awaited = "its end"
        if self.left > MOST_RECORD_BYTES:
            raise self.fail(f"more than {MOST_RECORD_BYTES} B without an end")
        return self._fetch(self.left + 1)

    def settle(self) -> bool:
        """Let go of what was read, and take what came meanwhile; tell whether anything did."""
        left = self.left
        if self.at:
            self._view[:left] = self._view[self.at : self.end]
            self.base += self.at
            self.at, self.end = 0, left
        while self.end < len(self.data) and not self._ended and self._channel.ready():
            self._fetch(left)
        return self.end > left

    def widen(self, size: int) -> None:
        """Make the buffer so large."""
        grown = bytearray(size)
        grown[: self.end] = self._view[: self.end]
        self.data, self._view = grown, memoryview(grown)

    def pass_over(self, count: int, what: str) -> None:
        """Step over bytes of any number that nobody wants; they are not held."""
        while count > self.left:
            count -= self.left
            self.base += self.end
            self.at = self.end = 0
            self.need(min(count, len(self.data)), what)
        self.at += count

    def need(self, count: int, what: str) -> None:
        """Wait for so many bytes.

        Raises
        ------
        StreamError
            If more are asked for than any record has, or the channel ends before.
        """
        if count > MOST_RECORD_BYTES:
            raise self.fail(f"{what} of {count} B, allowed {MOST_RECORD_BYTES} B")
        if count <= self.left:
            return
        self._awaited = what
        if not self.have(count):
            raise CutError.at(
                self.place,
                self.record,
                f"{what} needs {count} B and the channel ended after {self.left} B{self.broken}",
                "look at the source's log for why it stopped",
            )

    def _fetch(self, wanted: int) -> bool:
        """Read once; the buffer grows, at most twice as large as what came, where it is full."""
        if self._ended:
            return False
        if self.end == len(self.data):
            self.widen(min(2 * len(self.data), max(len(self.data) + 1, self.at + wanted)))
        self._watch.heard()
        try:
            count = self._channel.read_some_into(self._view[self.end :])
        except ChannelError as error:
            self.broken = f": {error}"
            count = 0
        self._ended = not count
        self.end += count
        self.received_s = time.monotonic()
        self._watch.heard()
        if self._ended and self._watch.reason:
            raise CutError.at(
                self.place,
                self.record,
                f"{self._awaited} was awaited, and {self._watch.reason}",
                self._watch.remedy,
            )
        return bool(count)


class CutError(StreamError):
    """The channel ended inside a record: the connection broke."""
