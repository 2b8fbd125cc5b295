"""Whatever a destination says, a source takes it or refuses it: no hang, no crash."""

from __future__ import annotations

import contextlib
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migkit.channels import Channel
from migkit.channels.transports import SocketTransport
from migkit.errors import MigkitError
from migkit.live.sending.replies import Replies
from migkit.live.sending.trail import Trail
from migkit.stream import writing_messages
from migkit.stream.wire import MOST_MESSAGE_BYTES, RETURN_PATH

BLOCKS = {"pc.ram": 64 * 4096, "rom": 5 * 4096}
names = st.sampled_from(["pc.ram", "rom", "none"])
messages = st.one_of(
    st.builds(writing_messages.pong, st.integers(0, 0xFFFFFFFF)),
    st.builds(
        writing_messages.message,
        st.sampled_from(RETURN_PATH[1:]),
        st.binary(max_size=MOST_MESSAGE_BYTES),
    ),
    st.builds(
        lambda block, page, length: writing_messages.RequestWriter().request(
            block, page * 4096, length
        ),
        names,
        st.integers(0, 70),
        st.sampled_from([4096, 8192, 100, 0]),
    ),
    st.builds(
        lambda block, pages: writing_messages.received_bitmap(block, np.ones(pages, bool)),
        names,
        st.integers(0, 200),
    ),
    st.binary(max_size=40),
)


def told(data: bytes) -> Replies:
    """Let a source read it, and the end of the connection behind it."""
    here, there = socket.socketpair()
    with here, there:
        replies = Replies(Channel(SocketTransport(here), "peer"), Trail(), BLOCKS, 4096)
        replies.start()
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        with contextlib.suppress(MigkitError):
            replies.await_end(60.0)
    return replies


@settings(max_examples=200, deadline=None)
@given(st.lists(messages, max_size=12))
def test_any_answers_are_taken_or_refused(drawn: list[bytes]) -> None:
    replies = told(b"".join(drawn))
    assert replies.shut is not None or replies.error is not None
    for request in replies.requests:
        assert request.start + request.length <= BLOCKS[request.block]
    for block, received in replies.bitmaps.items():
        assert BLOCKS[block] // 4096 <= len(received) < BLOCKS[block] // 4096 + 64


def test_what_each_message_means() -> None:
    requests = writing_messages.RequestWriter()
    received = np.arange(5) % 2 == 0
    said = writing_messages.pong(1) + writing_messages.pong(0x42)
    said += writing_messages.message("SWITCHOVER_ACK") + writing_messages.resume_ack()
    said += requests.request("rom", 4096, 8192) + requests.request("rom", 0, 4096)
    said += writing_messages.received_bitmap("rom", received) + writing_messages.shut(0)
    replies = told(said)
    assert (replies.error, replies.shut) == (None, 0)
    for event in (replies.package_loaded, replies.acknowledged, replies.resumed):
        assert event.is_set()
    assert [(r.block, r.start, r.length) for r in replies.waiting] == [
        ("rom", 4096, 8192),
        ("rom", 0, 4096),
    ]
    assert replies.bitmaps["rom"][:5].tolist() == received.tolist()


@pytest.mark.parametrize("length", [513, 0xFFFF])
def test_a_message_that_is_too_long_is_not_waited_for(length: int) -> None:
    replies = told(b"\0\1" + length.to_bytes(2, "big"))
    assert f"a message of {length} B · allowed 512 B" in str(replies.error)
