"""Mutants pass a tap unchanged, whatever they are, and its counts come to an end."""

from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import begin, share
from fuzz.mutants import MAIN, mutants
from migkit.tap import Tap
from tap.wire import LIMIT_S, Destination, connected, received, send

OUTCOMES = {"complete", "broken", "cut", "opaque", "nothing"}


@share("tapping")
@given(mutants(MAIN), st.sampled_from([None, "save_complete", "postcopy:3", "bytes:5000"]))
def test_streams(data: bytes, cut: str | None) -> None:
    begin()
    with (
        Destination([b"back"]) as destination,
        Tap("tcp:127.0.0.1:0", destination.address, cut=cut) as tap,
    ):
        with connected(tap.address) as near:
            send(near, data)
            received(near)
            assert tap.wait(LIMIT_S, linger_s=0)
        destination.join()
    came = bytes(destination.received[0]) if destination.received else b""
    result = tap.result()
    assert result.outcome in OUTCOMES
    assert came == data[: len(came)]
    assert tap.was_cut or came == data
    assert result.to_dict()["bytes_to_destination"] == len(came)
