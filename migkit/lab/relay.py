"""What the stream of a lab run passes through when its link is told to be slow or to break."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

__all__ = ["Relay"]

_CHUNK_BYTES = 64 << 10
_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Pass on every connection, both ways, at no more than a rate; break them when told.

    Parameters
    ----------
    port : int
        Where the other end listens, on this machine.
    bytes_per_s : int
        What the way there takes for all connections together; 0 never waits.
    latency_s : float
        How long each piece is on its way there, seconds.
    """

    def __init__(self, port: int, bytes_per_s: int = 0, latency_s: float = 0.0) -> None:
        self._target = port
        self.bytes_per_s = bytes_per_s
        self.latency_s = latency_s
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.broken = False
        self._start(self._accept)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((_HOST, self._target), timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [near, far]
                broken = self.broken
            if broken:
                self._shut([near, far])
            self._start(self._pass, near, far, True)
            self._start(self._pass, far, near, False)

    def _pass(self, source: socket.socket, target: socket.socket, paced: bool) -> None:
        """Pass on one direction until it ends; the end is passed on too."""
        try:
            while data := source.recv(_CHUNK_BYTES):
                if paced:
                    self._wait(len(data))
                target.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _wait(self, size: int) -> None:
        """Wait until the way there has taken what was sent before."""
        with self._lock:
            now = time.monotonic()
            starts = max(self._free_at, now)
            self._free_at = starts + (size / self.bytes_per_s if self.bytes_per_s else 0.0)
            delay = self._free_at - now + self.latency_s
        if delay > 0.001:
            time.sleep(delay)

    def cut(self) -> None:
        """Break all connections, and every one that comes after."""
        with self._lock:
            self.broken = True
            ends = list(self._sockets)
        self._shut(ends)

    @staticmethod
    def _shut(ends: list[socket.socket]) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                # A reset: who writes must not wait for a reader that is gone.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Break everything, and wait until nothing of it runs."""
        with contextlib.suppress(OSError):
            # Wakes a thread that waits for a connection.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
