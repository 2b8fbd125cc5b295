"""How much a tap slows a migration down, as a ratio to a plain relay and to none.

``python benchmarks/tap_ratio.py [RULE] [MIB] [REPEATS]`` migrates a stopped guest of random data
between two real QEMUs of a completion rule, without a bandwidth limit: straight, through a relay
that only copies, and through a tap, in turn. It needs the lab (``migkit lab install``).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from real_migration import compare

from migkit.tap import Tap

AT_ONCE = 1 << 20


class Relay:
    """Copies, in a thread for each direction; the least that a relay in Python does."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=ends, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        block = memoryview(bytearray(AT_ONCE))
        with contextlib.suppress(OSError):
            while count := source.recv_into(block):
                target.sendall(block[:count])
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def straight(port: int) -> Iterator[str]:
    """Put nothing between."""
    yield f"tcp:127.0.0.1:{port}"


@contextlib.contextmanager
def relayed(port: int) -> Iterator[str]:
    """Put a relay between that only copies."""
    relay = Relay(port)
    yield relay.address
    relay.close()


@contextlib.contextmanager
def tapped(port: int) -> Iterator[str]:
    """Put a tap between."""
    with Tap("tcp:127.0.0.1:0", f"tcp:127.0.0.1:{port}") as tap:
        yield str(tap.address)
        tap.wait(20)


if __name__ == "__main__":
    compare({"none": straight, "relay": relayed, "tap": tapped}, "tap")
