"""Decision margins: by hand, as a property of the decisions, and in recorded runs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import datasets
from migkit._engine import decisions
from migkit.capture import read_capture
from migkit.results.margins import changes
from migkit.schema import MARGINS
from migkit.simulate import simulate
from tests.results.runs import PRECOPY, logged, simulated


def test_margins_of_a_log_by_hand(tmp_path: Path) -> None:
    margins = logged(tmp_path, *PRECOPY).margins
    # Threshold 0 lets every pass go on; then 90000. Syncs at 2 ms (0 pages), 1101 ms (70, the
    # end of a period) and 1201 ms (80): 70 * 4096 bytes in 1099 ms, 80 * 4096 in 100 ms.
    slow, fast = 70 * 4096 / 1099, 80 * 4096 / 100
    expected = [
        ("complete", 409600, 0, 409600 / slow),
        ("exact_wanted", 81920, 90000, 8080 / slow),
        ("complete", 368640, 90000, 278640 / slow),
        ("exact_wanted", 0, 90000, 90000 / fast),
        ("complete", 40960, 90000, 49040 / fast),
    ]
    assert list(margins.columns) == [column.name for column in MARGINS]
    for row, (decision, pending, threshold, margin_ms) in zip(
        margins.itertuples(), expected, strict=True
    ):
        assert (row.decision, row.pending_bytes) == (decision, pending)
        assert row.threshold_size_bytes == threshold
        assert row.margin_bytes == abs(pending - threshold)
        assert row.margin_ms == pytest.approx(margin_ms)


def test_the_smallest_margin_is_the_runs(tmp_path: Path) -> None:
    run = logged(tmp_path, *PRECOPY)
    assert run.margin_ms == pytest.approx(49040 / (80 * 4096 / 100))
    assert logged(tmp_path, *PRECOPY[:6]).margin_ms is None


@given(
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.sampled_from((decisions.exact_wanted_before, decisions.completion_before)),
)
def test_a_size_on_the_same_side_gets_the_same_answer(size: int, threshold: int, rule) -> None:
    def answer(pending: int) -> int:
        if rule is decisions.exact_wanted_before:
            return rule(pending, threshold)
        return rule(False, pending, pending, threshold, True, False)

    assert changes(answer, threshold) == (answer(0) != answer(2**50))
    margin = abs(size - threshold)
    if margin > 1:
        nearer = threshold + 1 if size > threshold else max(threshold - 1, 0)
        assert answer(size) == answer(nearer) or answer(size) == answer(0)


def test_postcopy_has_margins_only_by_the_rule_before() -> None:
    values = {"workload": "uniform:2000", "postcopy_at": "500ms", "bandwidth": "8MiB/s"}
    before, after = (simulated(rule=rule, **values).margins for rule in ("before", "after"))
    start = simulated(rule="after", **values).iterations.query("decision == 'postcopy_start'")
    assert after["t_ns"].max() <= start["t_ns"].min()
    late = before[before["t_ns"] > start["t_ns"].min()]
    assert len(late)
    assert late["margin_ms"].isna().all()


def test_recorded_and_simulated_runs_agree_on_what_was_close() -> None:
    names = ("precopy-hot-tight", "precopy-hot-after", "idle")
    captures = [read_capture(datasets.capture_folder(name)) for name in names]
    recorded = [capture.margin_ms or 0 for capture in captures]
    twins = [simulate(capture.scenario).margin_ms or 0 for capture in captures]
    assert recorded == sorted(recorded)
    for real, twin in zip(recorded, twins, strict=True):
        assert twin == pytest.approx(real, rel=0.5)


def test_a_log_without_times_or_sizes_has_no_margin_in_time(tmp_path: Path) -> None:
    bare = [line.split(":", 1)[1] for line in PRECOPY]
    run = logged(tmp_path, *bare)
    assert len(run.margins) == 5
    assert run.margin_ms is None
    old = read_capture(datasets.capture_folder("v11.1-precopy-hot"))
    assert old.margin_ms is None or old.margin_ms >= 0


def test_what_was_simulated_has_the_margin_of_its_frames() -> None:
    run = simulated(workload="uniform:2000")
    smallest = run.margins["margin_ms"].min()
    assert run.margin_ms == smallest
    assert smallest >= 0
