"""Costs of postcopy for the engine: sockets that hold nothing or all, acknowledgements at once."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.postcopy_costs import PostcopyCosts


@st.composite
def postcopy_costs(draw: st.DrawFn) -> PostcopyCosts:
    """Costs that have nothing to do with any machine."""
    return PostcopyCosts(
        page_ns=draw(st.integers(1, 60_000)),
        place_zero_page_ns=draw(st.integers(0, 9_000)),
        socket_bytes=draw(st.sampled_from((0, 100_000, 6_400_000))),
        socket_wake_bytes=draw(st.sampled_from((0, 50_000, 1_333_333))),
        discard_range_ns=draw(st.integers(0, 50_000)),
        listen_ns=draw(st.sampled_from((0, 2_000_000, 30_000_000))),
        request_ns=draw(st.integers(0, 300_000)),
        account_ns=draw(st.sampled_from((0, 60_000, 2_000_000))),
        delayed_ack_ns=draw(st.sampled_from((0, 1_000_000, 40_000_000))),
    )
