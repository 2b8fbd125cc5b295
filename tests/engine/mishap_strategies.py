"""What goes wrong while a migration runs, and what people do about it."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.scenario.timeline import TimelineItem
from tests.engine.link_strategies import link_arguments

EVENTS = ("ram_save_complete", "postcopy_start", "migration_return_path_end_before")


@st.composite
def mishaps(draw: st.DrawFn, moments: st.SearchStrategy[float]) -> list[TimelineItem]:
    """Nothing, or one kind of trouble: at a time, in a state, after an event."""
    kind = draw(
        st.sampled_from(
            (
                "none",
                "none",
                "cancel",
                "cancels",
                "cut",
                "cut-event",
                "link",
                "pause",
                "refused",
                "destination",
                "connect",
            )
        )
    )
    at = draw(moments)
    if kind == "cancel":
        return [TimelineItem("migrate_cancel", at_s=at)]
    if kind == "cancels":
        event = draw(st.sampled_from(EVENTS))
        after = draw(st.integers(0, 3_000)) / 1e6
        return [
            TimelineItem("migrate_cancel", at_event=event, after_s=after),
            TimelineItem("migrate_cancel", at_s=at),
        ]
    if kind == "cut":
        return [TimelineItem("cut", at_s=at)]
    if kind == "cut-event":
        after = draw(st.integers(0, 20_000)) / 1e6
        return [TimelineItem("cut", at_event=draw(st.sampled_from(EVENTS)), after_s=after)]
    if kind == "link":
        return [TimelineItem("link-change", at_s=at, arguments=draw(link_arguments()))]
    if kind == "pause":
        return [
            TimelineItem("migrate-pause", at_s=at, side=draw(st.sampled_from(("source", "dest"))))
        ]
    if kind == "refused":
        return [
            TimelineItem("migrate", at_s=at, arguments={"resume": True}),
            TimelineItem("migrate-recover", at_s=at, side="dest"),
            TimelineItem("migrate-continue", at_state="device", arguments={"state": "device"}),
        ]
    if kind == "destination":
        if draw(st.booleans()):
            return [TimelineItem("destination-error", at_s=at)]
        event = draw(st.sampled_from(EVENTS))
        return [TimelineItem("destination-error", at_event=event, after_s=at / 100)]
    return (
        [TimelineItem("connect-failure", at_s=draw(st.sampled_from((0, at))))]
        if kind == "connect"
        else []
    )
