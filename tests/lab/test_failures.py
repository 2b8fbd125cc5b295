"""Failures on purpose, as they are written."""

from pathlib import Path
from typing import Any

import pytest

from migkit.errors import InputError, MigkitError, ScenarioError
from migkit.lab.failures import (
    Failures,
    KillSource,
    check_failures,
    cut_at,
    kill_at,
    parse_moment,
    written_failures,
)
from migkit.lab.scenario_file import read_lab_file
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.tap import Cut, Outage


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("3s", {"at_s": 3.0}),
        ("250ms", {"at_s": 0.25}),
        ("ram_save_complete+200ms", {"at_event": "ram_save_complete", "after_s": 0.2}),
        ("state:device", {"at_state": "device"}),
        ("postcopy_start", {"at_event": "postcopy_start", "after_s": 0.0}),
    ],
)
def test_a_moment_is_a_time_or_an_event(text: str, fields: dict[str, object]) -> None:
    assert parse_moment(text) == fields


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("save_complete", Cut("save_complete")),
        ("postcopy:70", Cut("postcopy", 70)),
        ("bytes:1MiB", Cut("bytes", 1 << 20)),
        ("2s", TimelineItem("cut", at_s=2)),
        ("state:postcopy-active", TimelineItem("cut", at_state="postcopy-active")),
        ("postcopy_start+1s", TimelineItem("cut", at_event="postcopy_start", after_s=1)),
    ],
)
def test_a_cut_comes_to_the_byte_or_at_a_moment(text: str, cut: object) -> None:
    assert cut_at(text) == cut


def test_failures_are_read_from_a_table() -> None:
    made = written_failures(
        {"cut": "postcopy:7", "recover": "500ms", "kill": "dest@9s", "outages": "1s+2s"}
    )
    assert made == Failures(
        Cut("postcopy", 7), 0.5, TimelineItem("destination-error", at_s=9),
        outages=(Outage(1_000_000_000, 3_000_000_000),),
    )  # fmt: skip
    assert made.exact_cut == Cut("postcopy", 7)
    assert made.items == (TimelineItem("destination-error", at_s=9),)
    assert written_failures({"recover": "2s"}, made).recover_s == 2
    assert made.to_dict() == {"cut": "postcopy:7", "outages": "1000000000ns+2000000000ns"}
    assert written_failures({"disk": "8MiB"}).disk_bytes == 8 << 20
    assert written_failures({"disk": 1 << 20}).to_dict() == {"disk": 1 << 20}
    assert written_failures({"cut": "3s"}).items == (TimelineItem("cut", at_s=3),)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"cutt": "3s"}, "did you mean cut"),
        ({"cut": "postcopy:0"}, "give an amount above 0"),
        ({"cut": "state:active-now"}, "did you mean active"),
        ({"destination": "wrong-size"}, "not a way to refuse"),
        ({"disk": "some"}, "disk"),
        ({"disk": "64KiB"}, "allowed 1048576 B or more"),
        ({"outages": "1s"}, "allowed BEGIN.LENGTH"),
        ({"kill": "source@no_such_event"}, "not known"),
        ("cut", "not a table"),
    ],
)
def test_a_wrong_failure_is_one_clear_error(table: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        written_failures(table)


@pytest.mark.parametrize(
    ("failures", "to_file", "said"),
    [
        ({"recover": "1s"}, False, "nothing is cut"),
        ({"disk": "8MiB"}, False, "the transport is no file"),
        ({"cut": "1s"}, True, "a file has no link"),
        ({"destination": "absent"}, True, "no destination that answers"),
        ({"outages": "1s+1s"}, True, "a file has no link"),
    ],
)
def test_what_has_no_part_in_a_run_is_refused(
    failures: dict[str, Any], to_file: bool, said: str
) -> None:
    with pytest.raises(MigkitError, match=said):
        check_failures(written_failures(failures), cut_in_timeline=False, to_file=to_file)


def test_a_file_with_failures_is_for_the_lab_alone(tmp_path: Path) -> None:
    file = tmp_path / "cut.toml"
    file.write_text('memory = "64MiB"\n[failures]\ncut = "postcopy:9"\nrecover = "1s"\n')
    scenario, failures = read_lab_file(file)
    assert (scenario.name, scenario.guest.memory_bytes) == ("cut", 64 << 20)
    assert (failures.exact_cut, failures.recover_s) == (Cut("postcopy", 9), 1)
    with pytest.raises(ScenarioError, match="use migkit lab run"):
        Scenario.from_file(file)


def test_a_side_ends_at_a_moment() -> None:
    assert kill_at("dest@3s") == TimelineItem("destination-error", at_s=3)
    assert kill_at("source@postcopy_start+1s") == KillSource(
        at_event="postcopy_start", after_s=1.0
    )


def test_what_is_no_moment_or_side_is_refused() -> None:
    with pytest.raises(InputError, match="allowed SIDE@MOMENT"):
        kill_at("both@3s")
    with pytest.raises(InputError, match="not known"):
        cut_at("no_such_event+1s")
    with pytest.raises(InputError):
        cut_at("soon?")
