"""TLS handshakes of the connections that come in, side by side.

A peer that connects and says nothing holds nobody else up: each handshake has a thread, and where
very many are under way the one that has lasted longest makes room.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading

from migkit.errors import ChannelError

from .channel import Channel
from .connecting import of_socket
from .tls import TlsFiles
from .transports import SocketTransport

__all__ = ["Handshakes"]

MOST = 300


class Handshakes:
    """Begins handshakes as the server, and gives what came of them.

    Parameters
    ----------
    tls : TlsFiles
        The server's credentials.
    """

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._under_way: list[SocketTransport] = []
        self._over: queue.SimpleQueue[Channel | ChannelError] = queue.SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._closed = False

    def fileno(self) -> int:
        """Return a descriptor that can be read while one is over."""
        return self._wake

    def begin(self, connected: socket.socket, peer: str) -> None:
        """Begin another one."""
        transport = SocketTransport(connected)
        with self._lock:
            self._under_way.append(transport)
            if len(self._under_way) > MOST:
                self._under_way[0].shutdown()
        work = threading.Thread(target=self._run, args=(transport, peer), daemon=True)
        work.start()

    def _run(self, transport: SocketTransport, peer: str) -> None:
        result: Channel | ChannelError
        try:
            result = of_socket(transport, peer, self._tls, None, server=True)
        except ChannelError as error:
            result = error
        with self._lock:
            self._under_way.remove(transport)
            if not self._closed:
                self._over.put(result)
                os.write(self._waker, b"\0")
            elif isinstance(result, Channel):
                result.close()

    def take(self) -> Channel | ChannelError | None:
        """Return what came of one that is over; None while none is."""
        with contextlib.suppress(queue.Empty):
            result = self._over.get_nowait()
            os.read(self._wake, 1)
            return result
        return None

    def close(self) -> None:
        """End those that are under way, and what nobody took."""
        with self._lock:
            self._closed = True
            for transport in self._under_way:
                transport.shutdown()
        while (left := self.take()) is not None:
            if isinstance(left, Channel):
                left.close()

    def release(self) -> None:
        """Let go of the descriptor; nobody waits for it any more."""
        with self._lock:
            for descriptor in (self._wake, self._waker):
                os.close(descriptor)
