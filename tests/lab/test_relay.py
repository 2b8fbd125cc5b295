"""The relay passes on what it gets, no faster than told, and breaks when told."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from migkit.lab.relay import Relay


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def joined(relay: Relay, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(("127.0.0.1", relay.port), timeout=10)
    far, _ = listener.accept()
    far.settimeout(10)
    return near, far


def test_bytes_go_both_ways_and_the_end_is_passed_on(listener: socket.socket) -> None:
    relay = Relay(listener.getsockname()[1])
    near, far = joined(relay, listener)
    with near, far:
        near.sendall(b"there")
        assert far.recv(100) == b"there"
        far.sendall(b"back")
        assert near.recv(100) == b"back"
        near.shutdown(socket.SHUT_WR)
        assert far.recv(100) == b""
        far.sendall(b"still")
        assert near.recv(100) == b"still"
    relay.close()
    assert not any(thread.is_alive() for thread in relay._threads)


def test_a_rate_holds_for_all_connections_together(listener: socket.socket) -> None:
    relay = Relay(listener.getsockname()[1], bytes_per_s=4_000_000)
    pairs = [joined(relay, listener) for _ in range(2)]
    size = 600_000
    senders = [threading.Thread(target=near.sendall, args=(bytes(size),)) for near, _ in pairs]
    started = time.monotonic()
    for sender in senders:
        sender.start()
    for _, far in pairs:
        left = size
        while left:
            left -= len(far.recv(65536))
    took = time.monotonic() - started
    # 1.2 MB at 4 MB/s; no upper bound, since the machine may be busy.
    assert took >= 0.25
    for sender in senders:
        sender.join(10)
    for near, far in pairs:
        near.close()
        far.close()
    relay.close()


def test_a_cut_resets_a_writer_that_nobody_reads(listener: socket.socket) -> None:
    relay = Relay(listener.getsockname()[1])
    near, far = joined(relay, listener)
    with near, far:
        near.settimeout(0.5)
        with pytest.raises(TimeoutError):
            near.sendall(bytes(100 << 20))
        relay.cut()
        near.settimeout(10)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            near.sendall(bytes(100 << 20))
    relay.close()
