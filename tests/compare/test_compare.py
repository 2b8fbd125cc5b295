"""Two runs beside each other: where they part, by how much, and when they do not."""

from __future__ import annotations

import dataclasses
import gzip
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

import migkit
from engine.strategies import plans
from migkit import _engine, datasets, oracle
from migkit.compare import Comparison, compare
from migkit.errors import InputError
from migkit.plan import Plan
from migkit.results import Migration
from migkit.scenario.timeline import TimelineItem

PAGE_BYTES = 4096
GUEST = {
    "memory": "32MiB",
    "bandwidth": "16MiB/s",
    "workload": "uniform:200",
    "observe_for": "10s",
}


@cache
def run(**changes: Any) -> Migration:
    return migkit.simulate(**{**GUEST, **changes})


def first(comparison: Comparison) -> dict[str, Any]:
    assert comparison.first is not None
    return dataclasses.asdict(comparison.first)


@given(plan=plans())
@settings(max_examples=40)
def test_a_run_does_not_part_from_itself_nor_from_its_specification(plan: Plan) -> None:
    runs = [
        Migration.from_recording(make(plan)) for make in (_engine.run, _engine.run, oracle.run)
    ]
    for twin in runs[1:]:
        comparison = compare(runs[0], twin, tolerance="0")
        assert comparison.same, repr(comparison)
        assert comparison.first is None
        assert comparison.first_pages is None


@given(plan=plans())
@settings(max_examples=25)
def test_what_parts_does_so_whichever_side_is_named_first(plan: Plan) -> None:
    one = Migration.from_recording(_engine.run(plan))
    slower = dataclasses.replace(plan.host, normal_page_ns=plan.host.normal_page_ns * 2)
    two = Migration.from_recording(_engine.run(dataclasses.replace(plan, host=slower)))
    there, back = compare(one, two), compare(two, one)
    keys = ["frame", "counter", "row", "real", "twin"]
    turned = back.partings.rename(columns={"real": "twin", "twin": "real"})
    listed = [sorted(map(str, found[keys].to_numpy())) for found in (there.partings, turned)]
    assert listed[0] == listed[1]
    assert there.same == back.same


def test_more_memory_parts_in_the_first_pass_by_its_pages() -> None:
    found = first(compare(run(), run(memory="33MiB")))
    assert (found["iteration"], found["counter"]) == (0, "pending_estimate_bytes")
    assert (found["difference"], found["pages"]) == (1 << 20, (1 << 20) // PAGE_BYTES)
    assert (found["bytes"], found["microseconds"]) == (0, 0)


def test_a_limit_changed_on_the_way_parts_when_the_next_window_closes() -> None:
    # Windows close every 100 ms: the sixth, row 5, is the first after 0.55 s. The threshold is
    # bandwidth times limit, and 300 ms of it become 200 ms.
    scenario = run().scenario
    assert scenario is not None
    change = TimelineItem("migrate-set-parameters", at_s=0.55, arguments={"downtime-limit": 200})
    changed = migkit.simulate(dataclasses.replace(scenario, timeline=(change,)))
    found = first(compare(run(), changed))
    assert (found["frame"], found["row"]) == ("windows", 5)
    assert (found["iteration"], found["counter"]) == (5, "threshold_size_bytes")
    assert int(found["twin"]) == pytest.approx(int(found["real"]) * 2 / 3, abs=1)
    assert (found["pages"], found["bytes"], found["microseconds"]) == (0, 0, 0)


def test_another_dirty_rate_parts_at_the_first_sync_by_what_it_finds() -> None:
    slow, fast = run(workload="sequential:100"), run(workload="sequential:200")
    comparison = compare(slow, fast)
    found = first(comparison)
    asked = slow.iterations["pending_exact_bytes"].notna().to_numpy().argmax()
    # Twice the rate dirties twice as many: the sync finds as many more as the slow one found.
    dirtied = slow.rounds["new_dirty_pages"].iloc[1]
    assert (found["iteration"], found["counter"]) == (asked, "pending_exact_bytes")
    assert found["pages"] == pytest.approx(dirtied, abs=2)
    assert found["difference"] == found["pages"] * PAGE_BYTES
    assert comparison.first_pages == comparison.first


def test_times_part_beyond_the_tolerance_only(tmp_path: Path) -> None:
    # From the start of pass 5 on, all happens 2.5 ms later.
    lines, passes = run().to_trace_log(form="pid", pid=7).splitlines(keepends=True), 0
    for place, line in enumerate(lines):
        passes += "migrate_pending_estimate" in line
        if passes > 5:
            stamp, text = line.removeprefix("7@").split(":", 1)
            lines[place] = f"7@{float(stamp) + 0.0025:.6f}:{text}"
    (tmp_path / "late.log").write_text("".join(lines), encoding="utf-8")
    on_time = tmp_path / "on-time.log"
    on_time.write_text(run().to_trace_log(form="pid", pid=7), encoding="utf-8")
    found = first(compare(on_time, tmp_path / "late.log"))
    assert (found["iteration"], found["frame"], found["counter"]) == (5, "iterations", "t_ns")
    assert (found["microseconds"], found["difference"]) == (2500, 2_500_000)
    assert (found["pages"], found["bytes"]) == (0, 0)
    assert compare(on_time, tmp_path / "late.log", tolerance="2499us").first is not None
    assert compare(on_time, tmp_path / "late.log", tolerance="2500us").same


@pytest.mark.parametrize("name", datasets.capture_names())
def test_a_capture_parts_from_its_twin_where_a_search_by_hand_finds_it(name: str) -> None:
    comparison = compare(datasets.capture_folder(name))
    found = first(comparison)
    assert found["iteration"] is not None
    # Nothing before the parting is apart, looked at without the aligned frames.
    real, twin = comparison.real.iterations, comparison.twin.iterations
    until = found["iteration"] if found["frame"] == "iterations" else found["iteration"] + 1
    for column in ("pending_estimate_bytes", "threshold_size_bytes", "decision"):
        ours, theirs = (side[column][:until].reset_index(drop=True) for side in (real, twin))
        known = ours.notna() & theirs.notna()
        assert ours[known].tolist() == theirs[known].tolist(), column
    clocks = [side["t_ns"][:until] - side["t_ns"].iloc[0] for side in (real, twin)]
    assert ((clocks[0] - clocks[1]).abs() <= 1_000_000).all()
    # And there it is: the value differs, by what is said.
    tables = [getattr(side, found["frame"]) for side in (comparison.real, comparison.twin)]
    values = [table[found["counter"]].iloc[found["row"]] for table in tables]
    assert [f"{value}" for value in values] == [found["real"], found["twin"]]
    assert values[0] != values[1]
    assert str(comparison).count("\n") == 0


def test_a_log_of_a_run_is_not_apart_from_the_run(tmp_path: Path) -> None:
    log = tmp_path / "source.trace.log"
    for form in ("bare", "pid", "iso"):
        log.write_text(run().to_trace_log(form=form), encoding="utf-8")
        comparison = compare(run(), log)
        assert comparison.same, repr(comparison)
        assert comparison.iterations["normal_pages_difference"].isna().all()


def test_the_first_half_of_a_log_is_not_apart_from_the_whole(tmp_path: Path) -> None:
    folder = datasets.capture_folder("precopy-hot-tight")
    lines = gzip.open(folder / "source.trace.log.gz", "rt").readlines()
    (tmp_path / "half.log").write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")
    comparison = compare(folder, tmp_path / "half.log")
    assert comparison.same, repr(comparison)
    assert len(comparison.iterations) == len(comparison.real.iterations)
    assert not comparison.counters["parts"].any()


def test_a_run_that_ends_earlier_parts_where_it_ends() -> None:
    long, short = run(workload="uniform:5000"), run(workload="idle")
    found = compare(short, long).partings
    rows = found[(found["counter"] == "rows") & (found["frame"] == "iterations")].iloc[0]
    assert rows["row"] == len(short.iterations)
    assert rows["difference"] == len(long.iterations) - len(short.iterations)


def test_a_stored_run_is_the_run(tmp_path: Path) -> None:
    run().to_parquet(tmp_path / "stored")
    assert compare(tmp_path / "stored", tolerance="0").same
    assert compare(run(), str(tmp_path / "stored"), tolerance="0").same


def test_the_sentence_names_both_runs_the_place_and_the_amounts() -> None:
    passes = run().iterations
    assert str(compare(run(), run(memory="33MiB"))) == (
        f"scenario and its twin part in iteration 0 of {len(passes)} "
        f"({passes['t_ns'][0] / 1e9:.3f} s), first in pending_estimate_bytes "
        f"({passes['pending_estimate_bytes'][0]} against "
        f"{passes['pending_estimate_bytes'][0] + (1 << 20)}), by +256 pages, 0 bytes and "
        "0 microseconds."
    )
    counts = f"{len(passes)} passes, {len(run().rounds)} rounds and {len(run().windows)} windows"
    said = str(compare(run(), run(), tolerance="50us"))
    assert said == f"scenario and its twin do not part in {counts} (times within 50 us)."


def test_a_notebook_gets_the_sentence_and_the_table_escaped() -> None:
    scenario = run().scenario
    assert scenario is not None
    named = migkit.simulate(dataclasses.replace(scenario, name="<b>&"))
    html = compare(named, run(memory="33MiB"))._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert "<td>pending_estimate_bytes</td>" in html


def test_its_frames_are_the_callers_own() -> None:
    comparison = compare(run(), run())
    mine = comparison.windows
    mine["parts"] = "mine"
    assert comparison.windows["parts"].isna().all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        comparison.tolerance_ns = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"real": 5}, "compare 5"),
        ({"twin": pd.DataFrame()}, "a DataFrame"),
        ({"tolerance": "1"}, "unit is missing"),
        ({"tolerance": "-1ms"}, "negative"),
    ],
)
def test_wrong_input_is_one_line(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        compare(**{"real": run(), "twin": run(), **arguments})
    assert "\n" not in str(error.value)


def test_a_log_alone_has_no_twin(tmp_path: Path) -> None:
    log = tmp_path / "lonely.log"
    log.write_text(run().to_trace_log(), encoding="utf-8")
    with pytest.raises(InputError, match="compare lonely · it has no scenario"):
        compare(log)
