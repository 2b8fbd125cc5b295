"""Postcopy for the engine: odd costs, and recoveries that may fail or be needed again."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.host.postcopy_costs import PostcopyCosts
from migkit.scenario.timeline import TimelineItem


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
        urgent_place_ns=draw(st.sampled_from((0, 300_000, 2_200_000))),
        connect_ns=draw(st.sampled_from((0, 1_500_000, 400_000_000))),
        delayed_ack_ns=draw(st.sampled_from((0, 1_000_000, 40_000_000))),
    )


@st.composite
def recoveries(draw: st.DrawFn) -> list[TimelineItem]:
    """One to three attempts; the link may break, or somebody pause, before or after each."""
    items = []
    at = draw(st.floats(1.5, 2.5).map(lambda s: round(s, 3)))
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.integers(0, 4)):
            items.append(TimelineItem("migrate-recover", at_s=at, side="dest"))
        items.append(TimelineItem("migrate", at_s=at + 0.001, arguments={"resume": True}))
        again = draw(st.sampled_from(("none", "cut", "migrate-pause")))
        if again != "none":
            later = draw(st.integers(0, 20_000)) / 1e6
            items.append(TimelineItem(again, at_s=round(at + 0.001 + later, 6)))
        at = round(at + draw(st.floats(0.05, 0.5)), 3)
    return items
