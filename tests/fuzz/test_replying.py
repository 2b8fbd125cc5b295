"""Mutants of what destinations said: read, and taken by a source of ours, or refused."""

import contextlib
import socket

from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import begin, share
from fuzz.mutants import PATTERNS, Mutant, changed_number
from migkit.channels import Channel
from migkit.channels.transports import SocketTransport
from migkit.errors import MigkitError, StreamError
from migkit.live.sending.replies import Replies
from migkit.live.sending.trail import Trail
from migkit.stream.return_path import read_return_path
from migkit.stream.walker import Walker
from stream import recorded

NAMES = recorded.named("postcopy", "postcopy-preempt")


@st.composite
def mutants(draw: st.DrawFn) -> Mutant:
    """Draw a damaged return path of a recording, not only of its beginning."""
    data = recorded.return_path(draw(st.sampled_from(NAMES)))
    starts = [message.offset for message in read_return_path(data)]
    first = draw(st.sampled_from(starts[:-1]))
    data = data[first : first + 600]
    edges = [at - first for at in starts if first <= at < first + 600]
    for kind in draw(
        st.lists(st.sampled_from(["flip", "number", "pattern", "cut", "repeat", "splice"]),
                 min_size=1, max_size=3)
    ):  # fmt: skip
        at = min(draw(st.sampled_from(edges)) + draw(st.integers(0, 20)), max(len(data) - 1, 0))
        if kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif kind == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            data = changed_number(data, at, width, draw(st.integers(0, 7)))
        elif kind == "pattern":
            data = data[:at] + draw(st.sampled_from(PATTERNS)) + data[at:]
        elif kind == "cut":
            data = data[:at]
        elif kind == "repeat":
            data += data[draw(st.sampled_from(edges)) :]
        else:
            other = recorded.return_path(draw(st.sampled_from(NAMES)))
            data = data[:at] + other[draw(st.integers(0, len(other) - 1)) :][:300]
    return Mutant(data)


@share("replying: read")
@given(mutants(), st.sampled_from([None, "pc.ram"]))
def test_replies_are_read_or_refused(data: bytes, block: str | None) -> None:
    begin()
    messages = []
    try:
        messages.extend(read_return_path(data, block))
    except StreamError as found:
        offset = found.offset
    else:
        offset = len(data)
    assert 0 <= offset <= len(data)
    assert len(messages) <= len(data) // 4


@share("replying: in pieces")
@given(mutants(), st.integers(1, 40))
def test_replies_in_pieces(data: bytes, size: int) -> None:
    begin()
    walker = Walker()
    back = walker.channel(to_source=True)
    for at in range(0, len(data), size):
        back.feed(data[at : at + size])
    back.finish()
    assert len(walker.stream("fuzz").messages) <= len(data) // 4


@share("replying: a source")
@given(mutants())
def test_a_source_takes_them_or_ends(data: bytes) -> None:
    begin()
    blocks = {"pc.ram": 16 << 20, "pc.bios": 256 << 10}
    here, there = socket.socketpair()
    with here, there:
        replies = Replies(Channel(SocketTransport(here), "peer"), Trail(), blocks, 4096)
        replies.start()
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        with contextlib.suppress(MigkitError):
            replies.await_end(60.0)
    assert replies.shut is not None or replies.error is not None
    for request in replies.requests:
        assert request.start + request.length <= blocks[request.block]
