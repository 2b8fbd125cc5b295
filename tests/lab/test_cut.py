"""A cut by the tap reaches a source that writes while nobody reads: it must not hang."""

import socket
import threading
import time

import pytest

from migkit.tap import Tap


def test_a_writer_whose_window_is_full_learns_of_the_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        with Tap("tcp:127.0.0.1:0", target, rate=100_000) as tap:
            port = int(str(tap.address).rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as near:
                far, _ = server.accept()
                ended: list[Exception] = []

                def write() -> None:
                    try:
                        while True:
                            near.sendall(bytes(1 << 20))
                    except OSError as error:
                        ended.append(error)

                writer = threading.Thread(target=write)
                writer.start()
                time.sleep(0.5)
                tap.cut_now()
                writer.join(20)
                assert not writer.is_alive()
                assert isinstance(ended[0], ConnectionResetError | BrokenPipeError)
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
