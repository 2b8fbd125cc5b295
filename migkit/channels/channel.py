"""A channel: bytes in both directions, read and written until all of them are done."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from migkit.errors import ChannelError

__all__ = ["Channel", "Transport"]

Bytes = bytes | bytearray | memoryview
_AT_ONCE = 1 << 16


class Transport(Protocol):
    """What carries a channel's bytes; each call blocks, and raises OSError where it fails."""

    def receive_into(self, view: memoryview) -> int:
        """Fill a part of the view; 0 at the end."""

    def send(self, buffers: Sequence[memoryview]) -> int:
        """Take a part of the buffers; return how many bytes."""

    def ready(self, timeout_s: float | None) -> bool:
        """Wait until something can be read, or the end was reached."""

    def shutdown(self) -> None:
        """End both directions; a read or write that blocks in another thread ends too."""

    def shut_write(self) -> None:
        """End what is written; reading goes on."""

    def close(self) -> None:
        """Let go of everything."""

    def fileno(self) -> int:
        """Return the descriptor that is read from."""


class Channel:
    """Bytes to and from a peer. One thread may read while others write.

    Parameters
    ----------
    transport : Transport
        What carries them.
    peer : str
        Who is at the other end, for errors.
    """

    def __init__(self, transport: Transport, peer: str) -> None:
        self.peer = peer
        self._transport = transport
        self._held = bytearray()
        self._writing = threading.Lock()

    def read(self, count: int) -> bytes:
        """Read exactly so many bytes.

        Raises
        ------
        ChannelError
            If the peer ends before; it says how many came.
        """
        data = bytearray(count)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, view: memoryview | bytearray) -> None:
        """Fill a buffer.

        Raises
        ------
        ChannelError
            If the peer ends before; it says how many came.
        """
        rest = memoryview(view).cast("B")
        wanted, done = len(rest), 0
        while done < wanted:
            count = self.read_some_into(rest[done:])
            if not count:
                raise ChannelError.of(
                    f"channel {self.peer}",
                    f"ended after {done} B of {wanted} B",
                    "look at the peer's log for why it stopped",
                )
            done += count

    def read_some(self, limit: int = _AT_ONCE) -> bytes:
        """Read what is there, at least 1 byte; nothing at the end."""
        data = bytearray(limit)
        return bytes(data[: self.read_some_into(memoryview(data))])

    def read_some_into(self, view: memoryview) -> int:
        """Read what is there into a buffer.

        Returns
        -------
        int
            How many bytes; 0 at the end.
        """
        if self._held:
            count = min(len(view), len(self._held))
            view[:count] = self._held[:count]
            del self._held[:count]
            return count
        return self._receive(view)

    def peek(self, count: int) -> bytes:
        """Look at the next bytes and leave them; fewer where the peer ends before."""
        while len(self._held) < count:
            data = bytearray(count - len(self._held))
            found = self._receive(memoryview(data))
            if not found:
                break
            self._held += data[:found]
        return bytes(self._held[:count])

    def ready(self, timeout_s: float | None = 0.0) -> bool:
        """Tell whether a read would not block; waits so long for it."""
        if self._held:
            return True
        try:
            return self._transport.ready(timeout_s)
        except (OSError, ValueError):
            return True

    def write(self, data: Bytes) -> None:
        """Write all of it; threads that write do not mix.

        Raises
        ------
        ChannelError
            If the peer does not take it.
        """
        self.writev((data,))

    def writev(self, buffers: Sequence[Bytes]) -> None:
        """Write all of several buffers, in order.

        Raises
        ------
        ChannelError
            If the peer does not take it.
        """
        rest = [memoryview(part).cast("B") for part in buffers if len(part)]
        with self._writing:
            first = 0
            while first < len(rest):
                try:
                    sent = self._transport.send(rest[first : first + 1024])
                except (OSError, ValueError) as error:
                    raise self._broken(error) from None
                while first < len(rest) and sent >= len(rest[first]):
                    sent -= len(rest[first])
                    first += 1
                if sent:
                    rest[first] = rest[first][sent:]

    def shutdown(self) -> None:
        """End both directions, from any thread; a read that blocks ends too."""
        self._transport.shutdown()

    def shut_write(self) -> None:
        """End what is written; reading goes on."""
        try:
            self._transport.shut_write()
        except OSError as error:
            raise self._broken(error) from None

    def close(self) -> None:
        """Let go of it."""
        self._transport.close()

    def fileno(self) -> int:
        """Return the descriptor that is read from."""
        return self._transport.fileno()

    def __enter__(self) -> Self:
        """Begin a with-statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _receive(self, view: memoryview) -> int:
        try:
            return self._transport.receive_into(view)
        except (OSError, ValueError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> ChannelError:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ChannelError.of(
            f"channel {self.peer}", reason, "look at the peer's log for why it stopped"
        )
