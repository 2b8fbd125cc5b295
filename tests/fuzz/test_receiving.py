"""Mutants that a destination of ours gets: received, or refused with a reason."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import begin, share
from fuzz.mutants import MAIN, boundaries, mutant_channels, mutants, small
from live.receive_peer import Source
from live.test_receive_fuzz import OUTCOMES, check, received, source
from migkit.live import Receiver
from stream import recorded


@pytest.fixture(autouse=True)
def a_short_wait() -> Iterator[None]:
    """Wait shortly for channels that are damaged from their first byte on, and never come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("migkit.live.packets._LATEST_S", 0.3)
        yield


@share("receiving: main channels")
@given(mutants(MAIN))
def test_main_channels(data: bytes) -> None:
    begin()
    if data[:4] != b"QEVM":
        data = b"QEVM" + data[4:]  # what begins otherwise is no main channel
    with source(data) as receiver:
        check(received(receiver), len(data))


@share("receiving: multifd")
@given(st.sampled_from(recorded.named("multifd")), st.data())
def test_multifd_channels(name: str, data: st.DataObject) -> None:
    begin()
    channels = data.draw(mutant_channels(name))
    # What begins otherwise is no channel of multifd, and would be waited for.
    channels = [recorded.others(name)[n][:64] + c[64:] for n, c in enumerate(channels)]
    receiver = Receiver("tcp::0", recover_s=0, wait_s=5.0, multifd_channels=len(channels))
    peer = Source(receiver)
    for channel in channels:
        peer.send(channel, end=True)
    peer.send(small(name), end=True)
    found = received(receiver)
    peer.join()
    assert found.outcome in OUTCOMES
    assert (found.outcome == "failed") == bool(found.error)


@share("receiving: resumed")
@given(st.sampled_from(recorded.named("postcopy")), st.data())
def test_a_source_that_resumes_with_something_else(name: str, data: st.DataObject) -> None:
    """Cut a stream in postcopy; what comes on the next connection is damaged."""
    begin()
    whole, edges = small(name), boundaries(name)
    cut = data.draw(st.sampled_from(edges[len(edges) // 2 :]))
    again = b"\x08" + data.draw(mutants([name]))[cut + 1 :]
    receiver = Receiver("tcp::0", recover_s=0.05, wait_s=5.0, faults="uniform:2000")
    peer = Source(receiver)
    peer.send(whole[:cut], end=True)
    if data.draw(st.booleans()):
        peer.send(again, end=True)
    found = received(receiver)
    peer.join()
    assert found.outcome in OUTCOMES
