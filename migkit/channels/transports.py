"""What carries a channel: a socket, or the descriptors of pipes and files."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
from collections.abc import Sequence

__all__ = ["DescriptorTransport", "SocketTransport", "wait_for"]

_WAIT_FOR_CHILD_S = 5.0
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


def wait_for(descriptors: Sequence[int], timeout_s: float | None, *, write: bool = False) -> bool:
    """Wait until one of the descriptors can be read or written, or has ended."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLOUT if write else select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000))


class SocketTransport:
    """A connected stream socket.

    Parameters
    ----------
    connected : socket
        Blocking. Of TCP, nothing waits for an acknowledgement that is held back, 40 ms at a time:
        what is written leaves at once, and what was read is acknowledged at once.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._is_tcp = connected.family in {socket.AF_INET, socket.AF_INET6}
        if self._is_tcp:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def limit(self, timeout_s: float | None) -> None:
        """Let no call block for longer; None lets it for ever."""
        self._socket.settimeout(timeout_s)

    def receive_into(self, view: memoryview) -> int:
        """Fill a part of the view; 0 at the end."""
        count = self._socket.recv_into(view)
        if self._is_tcp and _QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return count

    def send(self, buffers: Sequence[memoryview]) -> int:
        """Take a part of the buffers."""
        return self._socket.sendmsg(buffers, (), getattr(socket, "MSG_NOSIGNAL", 0))

    def ready(self, timeout_s: float | None) -> bool:
        """Wait until something can be read."""
        return wait_for([self._socket.fileno()], timeout_s)

    def shutdown(self) -> None:
        """End both directions."""
        with contextlib.suppress(OSError):  # the peer was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def shut_write(self) -> None:
        """End what is written."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()


class DescriptorTransport:
    """Descriptors of pipes or files, one to read and one to write; a child that holds their ends.

    Parameters
    ----------
    read, write : int or None
        Owned, closed with it; the same number for both is allowed.
    child : Popen, optional
        Ended with it; the descriptors are pipes to it then, and nobody else's.
    """

    def __init__(
        self, read: int | None, write: int | None, child: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._read, self._write, self._child = read, write, child
        self._wake, self._waker = os.pipe()
        self._closed = False
        if child is not None and write is not None:
            os.set_blocking(write, False)  # so that a write to it can be ended by `shutdown`

    def receive_into(self, view: memoryview) -> int:
        """Fill a part of the view; 0 at the end."""
        if self._read is None:
            raise OSError("it is only written to")
        while True:
            wait_for([self._read, self._wake], None)
            if self._shut():
                return 0
            with contextlib.suppress(BlockingIOError):
                return os.readv(self._read, [view])

    def send(self, buffers: Sequence[memoryview]) -> int:
        """Take a part of the buffers."""
        if self._write is None:
            raise OSError("it is only read from")
        while True:
            write = self._write  # another thread's `shutdown` takes it away
            if write is None:
                raise OSError("it was shut down")
            with contextlib.suppress(BlockingIOError):
                return os.writev(write, buffers)
            poll = select.poll()
            poll.register(write, select.POLLOUT)
            poll.register(self._wake, select.POLLIN)
            poll.poll()
            if self._shut():
                raise OSError("it was shut down")

    def ready(self, timeout_s: float | None) -> bool:
        """Wait until something can be read."""
        if self._read is None:
            return True
        return wait_for([self._read, self._wake], timeout_s)

    def _shut(self) -> bool:
        return wait_for([self._wake], 0.0)

    def shutdown(self) -> None:
        """End both directions."""
        if not self._closed:
            os.write(self._waker, b"\0")
            self.shut_write()

    def shut_write(self) -> None:
        """End what is written."""
        write, self._write = self._write, None
        if write is not None and write != self._read:
            os.close(write)

    def close(self) -> None:
        """Close the descriptors and wait for the child."""
        if self._closed:
            return
        self._closed = True
        for descriptor in {self._read, self._write, self._wake, self._waker} - {None}:
            os.close(descriptor)  # type: ignore[arg-type]
        if self._child is not None:
            _end(self._child)

    def fileno(self) -> int:
        """Return the descriptor that is read from, else the one that is written to."""
        descriptor = self._write if self._read is None else self._read
        return -1 if descriptor is None else descriptor


def _end(child: subprocess.Popen[bytes]) -> None:
    """Wait for a child whose input was closed; one that does not stop is stopped."""
    try:
        child.wait(_WAIT_FOR_CHILD_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
