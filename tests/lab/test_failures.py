"""Failures on purpose, as they are written."""

import pytest

from migkit.errors import InputError
from migkit.lab.failures import KillSource, cut_at, kill_at, parse_moment, recovery_after
from migkit.scenario.timeline import TimelineItem


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("3s", {"at_s": 3.0}),
        ("250ms", {"at_s": 0.25}),
        ("ram_save_complete+200ms", {"at_event": "ram_save_complete", "after_s": 0.2}),
        ("postcopy_start", {"at_event": "postcopy_start", "after_s": 0.0}),
    ],
)
def test_a_moment_is_a_time_or_an_event(text: str, fields: dict[str, object]) -> None:
    assert parse_moment(text) == fields


def test_recovery_comes_after_the_cut_at_its_kind_of_moment() -> None:
    recover, resume = recovery_after([cut_at("2s")], "1500ms")
    assert recover == TimelineItem("migrate-recover", at_s=3.5, side="dest")
    assert resume == TimelineItem("migrate", at_s=3.5, arguments={"resume": True})
    recover, _ = recovery_after([cut_at("ram_save_complete+200ms")], "1s")
    assert (recover.at_event, recover.after_s) == ("ram_save_complete", 1.2)


def test_a_side_ends_at_a_moment() -> None:
    assert kill_at("dest@3s") == TimelineItem("destination-error", at_s=3)
    assert kill_at("source@postcopy_start+1s") == KillSource(
        at_event="postcopy_start", after_s=1.0
    )


def test_what_is_no_moment_or_side_is_refused() -> None:
    with pytest.raises(InputError, match="allowed SIDE@MOMENT"):
        kill_at("both@3s")
    with pytest.raises(InputError, match="nothing is cut"):
        recovery_after([], "1s")
    with pytest.raises(InputError, match="not known"):
        cut_at("no_such_event+1s")
    with pytest.raises(InputError):
        cut_at("soon?")
