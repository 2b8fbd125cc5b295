"""Hostile sources: damaged channels of real QEMUs are received or refused, and nothing hangs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from migkit.channels import FdAddress, listen
from migkit.live import Receiver, Reception
from stream import recorded
from stream.test_fuzz import PATTERNS, changed, changes

SMALL = recorded.named("tcp", "postcopy")
OUTCOMES = {"completed", "failed", "postcopy-paused"}
LIMIT_S = 60.0


@contextmanager
def source(data: bytes) -> Iterator[Receiver]:
    """Feed bytes to a receiver through a socket pair, then end the channel."""
    left, right = socket.socketpair()
    with left:
        with right:
            listener = listen(FdAddress(str(right.fileno())))
            receiver = Receiver(
                listener, recover_s=0, wait_s=LIMIT_S, silence_s=1.0, faults="uniform:2000"
            )
        threads = [threading.Thread(target=work, args=(left, data)) for work in (feed, drain)]
        for thread in threads:
            thread.start()
        yield receiver
        for thread in threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def feed(end: socket.socket, data: bytes) -> None:
    try:
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it was refused before


def drain(end: socket.socket, data: bytes) -> None:
    try:
        while end.recv(1 << 16):
            pass
    except OSError:
        pass


def received(receiver: Receiver) -> Reception:
    """Receive within the limit."""
    results: list[Reception] = []
    running = threading.Thread(target=lambda: results.append(receiver.run()), daemon=True)
    running.start()
    running.join(LIMIT_S)
    assert results, "it hangs"
    return results[0]


def check(found: Reception, most: int) -> None:
    assert found.outcome in OUTCOMES
    assert (found.outcome != "completed") == bool(found.error)
    assert found.bytes_received <= most
    assert "Traceback" not in found.error
    assert found.to_dict()["qemu_counts"]["normal_pages"] * 4096 <= most


@given(st.data())
def test_damaged_main_channels(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SMALL))
    whole = recorded.main(name)[: data.draw(st.sampled_from([200_000, 1 << 30]))]
    spoilt = changed(whole, data.draw(changes(name, len(whole))))
    if spoilt[:4] != b"QEVM":
        spoilt = whole[:4] + spoilt[4:]  # what begins otherwise is no main channel
    with source(spoilt) as receiver:
        check(received(receiver), len(spoilt))


@given(st.data())
def test_damaged_multifd_channels(data: st.DataObject) -> None:
    from live.receive_peer import Source

    name = data.draw(st.sampled_from(recorded.named("multifd")))
    channels = recorded.others(name)
    at = st.integers(64, 4000) | st.integers(64, len(channels[0]) - 1)
    what = st.sampled_from(PATTERNS) | st.binary(min_size=1, max_size=12)
    kinds = st.sampled_from(["overwrite", "insert", "drop", "cut"])
    happened = data.draw(st.lists(st.tuples(kinds, at, what), min_size=1, max_size=3))
    receiver = Receiver(
        "tcp::0", recover_s=0, wait_s=LIMIT_S, silence_s=1.0, multifd_channels=len(channels)
    )
    peer = Source(receiver)
    for other in (changed(channels[0], happened), *channels[1:]):
        peer.send(other, end=True)
    peer.send(recorded.main(name), end=True)
    found = received(receiver)
    peer.join()
    assert found.outcome in OUTCOMES
    assert (found.outcome == "failed") == bool(found.error)


@given(st.binary(max_size=300), st.sampled_from([4, 8, 27, 27 + 170]))
def test_bytes_of_chance(noise: bytes, behind: int) -> None:
    data = recorded.main("10.2-postcopy")[:behind] + noise
    with source(data) as receiver:
        check(received(receiver), len(data))
