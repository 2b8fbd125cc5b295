"""Twin against recording: the sums by hand, and the shipped captures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import datasets
from migkit.errors import CaptureError
from migkit.validate import (
    Comparison,
    Validation,
    compare_capture,
    find_captures,
    validate,
    validation_table,
)
from migkit.validate.likeness import indistinguishable
from migkit.validate.observed import NUMBERS, Observed
from migkit.validate.twin import Prediction, predict


def comparison(
    name: str,
    real: Observed,
    twin: Observed | None,
    repeats: dict[str, tuple[int, ...]] | None = None,
) -> Comparison:
    """Hold two records beside each other; further recordings by the name of the number."""
    recordings = {}
    for number in NUMBERS:
        value = getattr(real, number)
        recordings[number] = (() if value is None else (value,)) + (repeats or {}).get(number, ())
    missing = () if twin else ("multifd",)
    return Comparison(name, real, recordings, Prediction(twin, missing, 0.25 if twin else None))


A = comparison(
    "a",
    Observed("completed", 1000, 300, 3, 5000, 0, 0, 10, 4, ((7, 0), (0, 1))),
    Observed("completed", 1010, 290, 3, 5000, 0, 0, 10, 4, ((9, 0), (0, 1))),
    {"total_time_ms": (1020, 1030)},
)
B = comparison(
    "b",
    Observed("completed", 2000, 100, 4, 4000, 0, 0, 10, 4, ((0, 0), (0, 1))),
    Observed("failed", 2100, 120, 5, 4004, 0, 0, 10, 4, ((1, 0), (0, 1))),
)
CANCELLED = comparison("c", Observed("cancelled"), Observed("cancelled", total_time_ms=4))
UNKNOWN = comparison("d", Observed("completed", 500, 5, 2, 600, 0, 90, 1, 1), None)


def test_errors_are_against_the_median_of_all_recordings() -> None:
    assert A.real_median("total_time_ms") == 1020
    assert A.error("total_time_ms") == -10
    assert A.absolute_percentage_error("total_time_ms") == pytest.approx(100 * 10 / 1020)
    assert A.within_recordings("total_time_ms")
    assert not B.within_recordings("total_time_ms")


def test_the_median_of_two_middle_values_may_be_a_half() -> None:
    even = comparison(
        "e", Observed(total_time_ms=10), Observed(total_time_ms=10), {"total_time_ms": (13,)}
    )
    assert even.real_median("total_time_ms") == 11.5
    assert even.exact("total_time_ms")


def test_the_summary_counts_exact_values_beside_those_compared() -> None:
    summary = Validation((A, B, CANCELLED, UNKNOWN)).summary
    assert summary["captures"] == 4
    assert summary["simulated"] == 3
    assert summary["not_simulated"] == {"d": ["multifd"]}
    errors = [100 * 10 / 1020, 100 * 100 / 2000]
    assert summary["total_time_median_ape_percent"] == pytest.approx(sum(errors) / 2)
    assert summary["total_time_max_ape_percent"] == pytest.approx(5.0)
    assert summary["total_time_compared"] == 2
    assert (summary["precopy_bytes_exact"], summary["precopy_bytes_compared"]) == (1, 2)
    assert summary["precopy_bytes_median_ape_percent"] == pytest.approx(0.05)
    assert (summary["dirty_sync_count_exact"], summary["dirty_sync_count_compared"]) == (1, 2)
    assert (summary["outcome_exact"], summary["outcome_compared"]) == (2, 3)
    assert summary["downtime_median_abs_error_ms"] == 15
    assert summary["ram_save_complete_pattern_exact"] == 1
    assert summary["ram_save_complete_pattern_compared"] == 2


@pytest.mark.parametrize(
    ("twin", "recordings", "number", "expected"),
    [
        (14, (10, 12, 20), "total_time_ms", True),  # 2 from 12; 20 is 8 from its nearest
        (28, (10, 12, 20), "total_time_ms", True),  # just as far as 20 from 12
        (29, (10, 12, 20), "total_time_ms", False),
        (101, (100, 100), "downtime_ms", True),  # the grain of the clock
        (102, (100, 100), "downtime_ms", False),
        (101, (100, 100), "precopy_bytes", False),  # bytes have no grain
        (100, (100, 100), "precopy_bytes", True),
        (None, (100, 100), "precopy_bytes", False),
        (100, (100,), "precopy_bytes", None),
        (100, (), "downtime_ms", None),
    ],
)
def test_indistinguishable_by_hand(
    twin: int | None, recordings: tuple[int, ...], number: str, expected: bool | None
) -> None:
    assert indistinguishable(twin, recordings, number) is expected


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6), st.data())
def test_a_value_that_was_recorded_is_indistinguishable(
    recordings: list[int], data: st.DataObject
) -> None:
    twin = data.draw(st.sampled_from(recordings))
    assert indistinguishable(twin, recordings, "normal_pages")
    far = max(recordings) + max(recordings) - min(recordings) + 2
    assert not indistinguishable(far, recordings, "total_time_ms")


def test_the_summary_counts_pairs_with_repeats_and_a_twin() -> None:
    repeats = {"total_time_ms": (1001,), "normal_pages": (10,), "duplicate_pages": (9,)}
    real = Observed("completed", 1000, 300, 3, 5000, 0, 0, 10, 4)
    twin = Observed("completed", 1003, 300, 3, 5000, 0, 0, 10, 10)
    pair = comparison("p", real, twin, repeats)
    summary = Validation((pair, UNKNOWN, comparison("q", real, None, repeats))).summary
    # 1003 is 2 ms from 1001, one more than 1000; 10 equals 10; 10 is nearer to 9 than 4 is.
    assert (summary["indistinguishable"], summary["indistinguishable_compared"]) == (2, 3)
    assert summary["indistinguishable_percent"] == pytest.approx(200 / 3)
    assert Validation((UNKNOWN,)).summary["indistinguishable_percent"] is None
    assert "2/3" in validation_table(Validation((pair,)))


def test_a_summary_of_nothing_simulated_has_no_errors() -> None:
    summary = Validation((UNKNOWN,)).summary
    assert summary["total_time_median_ape_percent"] is None
    assert summary["total_time_max_ape_percent"] is None
    assert summary["downtime_median_abs_error_ms"] is None
    assert (summary["outcome_exact"], summary["outcome_compared"]) == (0, 0)


def test_the_json_holds_both_sides_and_null_where_one_has_no_value() -> None:
    document = json.loads(json.dumps(Validation((A, UNKNOWN)).to_dict()))
    first, second = document["captures"]
    assert first["outcome"] == {"real": "completed", "twin": "completed"}
    assert first["total_time_ms"] == {
        "real": 1000,
        "real_median": 1020,
        "twin": 1010,
        "recordings": [1000, 1020, 1030],
        "indistinguishable": True,
    }
    assert first["ram_save_complete"] == {
        "real": [{"dirty": 7, "done": 0}, {"dirty": 0, "done": 1}],
        "twin": [{"dirty": 9, "done": 0}, {"dirty": 0, "done": 1}],
    }
    assert second["not_simulated"] == ["multifd"]
    assert second["multifd_bytes"] == {
        "real": 90,
        "real_median": 90,
        "twin": None,
        "recordings": [90],
        "indistinguishable": None,
    }
    assert second["ram_save_complete"]["twin"] is None
    assert second["seconds_to_simulate"] is None


def test_the_table_names_what_is_not_simulated_and_fits_a_terminal() -> None:
    table = validation_table(Validation((A, B, CANCELLED, UNKNOWN)))
    assert "not simulated: multifd" in table
    assert "completed:failed" in table
    assert "not simulated   d: multifd" in table
    assert max(map(len, table.splitlines())) <= 120


def test_the_table_stays_narrow_with_long_names() -> None:
    real = Observed("completed", 100000, 9999, 100, 10**12, 0, 0, 1, 1, ((99999, 0), (0, 1)))
    missing = Prediction(None, ("background-snapshot", "dirty-bitmaps", "multifd"))
    many = Comparison("a-very-long-name-of-a-capture-that-goes-on", real, {}, missing)
    twin = comparison("a-very-long-name-of-a-capture-that-goes-on", real, real)
    table = validation_table(Validation((many, twin)))
    assert max(map(len, table.splitlines())) <= 120
    assert all(name in table for name in missing.not_simulated)


def test_captures_are_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "scenario.json").write_text("{}", encoding="utf-8")
    (tmp_path / "all" / "README").mkdir()
    both = find_captures([tmp_path / "all" / "b", tmp_path / "all"])
    assert [path.name for path in both] == ["b", "a"]
    with pytest.raises(CaptureError, match=r"no scenario.json"):
        find_captures([tmp_path / "all" / "README"])
    with pytest.raises(CaptureError, match="no such folder"):
        find_captures([tmp_path / "nowhere"])


def test_the_twin_opens_the_scenario_and_nothing_else(tmp_path: Path) -> None:
    folder = datasets.capture_folder("idle")
    shutil.copy(folder / "scenario.json", tmp_path / "scenario.json")
    assert predict(tmp_path).observed == predict(folder).observed


def test_idle_is_right_to_the_byte() -> None:
    idle = compare_capture(datasets.capture_folder("idle"))
    for name in ("outcome", "precopy_bytes", "dirty_sync_count", "normal_pages"):
        assert idle.exact(name), name


def test_a_capability_that_is_not_simulated_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(datasets.capture_folder("idle"), tmp_path / "xbz"))
    scenario = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))
    scenario["capabilities"] = {"x-colo": True}
    (folder / "scenario.json").write_text(json.dumps(scenario), encoding="utf-8")
    validation = validate([folder])
    assert validation.comparisons[0].prediction.not_simulated == ("x-colo",)
    assert validation.comparisons[0].twin == Observed()
    assert "not simulated: x-colo" in validation_table(validation)


def test_a_cut_is_compared_with_both_states_of_both_sides() -> None:
    cut = compare_capture(datasets.capture_folder("cut-in-complete-before"))
    lost = {"source": "failed", "destination": "postcopy-paused"}
    assert cut.real.outcome == cut.twin.outcome == {"after_cut": lost, "final": lost}
    assert cut.recordings == dict.fromkeys(NUMBERS, ())


def test_a_recovered_cut_paused_first_and_completed_then() -> None:
    cut = compare_capture(datasets.capture_folder("cut-same-moment-after"))
    paused = dict.fromkeys(("source", "destination"), "postcopy-paused")
    done = dict.fromkeys(("source", "destination"), "completed")
    assert cut.real.outcome == cut.twin.outcome == {"after_cut": paused, "final": done}


def test_a_version_without_the_trace_point_has_no_completion_lines() -> None:
    old = compare_capture(datasets.capture_folder("v10.0-postcopy-uniform"))
    assert old.real.ram_save_complete is None
    assert old.completion_pattern_exact is None


def test_progress_is_told_of_each_capture() -> None:
    told: list[tuple[int, int, str]] = []
    validate(
        [datasets.capture_folder("idle")],
        progress=lambda position, number, name: told.append((position, number, name)),
    )
    assert told == [(1, 1, "idle")]


def test_every_shipped_pair_has_its_completion_pattern() -> None:
    pairs = [
        datasets.capture_folder(name)
        for name in datasets.capture_names()
        if name.startswith(("postcopy-", "precopy-hot-"))
    ]
    wrong = [
        item.name for item in validate(pairs).comparisons if not item.completion_pattern_exact
    ]
    assert wrong == []
