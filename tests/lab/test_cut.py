"""A cut by the tap reaches a source that writes while nobody reads: it must not hang."""

import errno
import socket
import time

import pytest

from migkit.tap import Tap


def test_a_cut_ends_in_a_reset() -> None:
    # An end alone would not do: Linux drops what a source still sends for a minute if the window
    # was full, and answers nothing.
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        with Tap("tcp:127.0.0.1:0", target) as tap:
            port = int(str(tap.address).rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as near:
                far, _ = server.accept()
                near.sendall(b"so far")
                assert far.recv(6) == b"so far"
                tap.cut_now()
                deadline = time.monotonic() + 60
                error = 0
                while not error and time.monotonic() < deadline:
                    error = near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    time.sleep(0.02)
                assert error in (errno.EPIPE, errno.ECONNRESET)
                far.close()


@pytest.mark.parametrize("rate", [1_000_000, None])
def test_a_rate_that_is_changed_holds_from_then_on(rate: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        with Tap("tcp:127.0.0.1:0", target, rate=50_000) as tap:
            port = int(str(tap.address).rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as near:
                far, _ = server.accept()
                far.settimeout(60)
                tap.change_rate(rate)
                # At the first rate this would take 20 s.
                started = time.monotonic()
                near.sendall(bytes(1_000_000))
                left = 1_000_000
                while left:
                    left -= len(far.recv(65536))
                took = time.monotonic() - started
                assert took < 15
                assert rate is None or took > 0.5
                near.close()
                far.close()
