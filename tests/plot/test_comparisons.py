"""Comparisons of runs: pages inside save_complete, bytes, and what each way costs."""

import pandas as pd
import pytest
from matplotlib.axes import Axes

from migkit import plot
from migkit.plot.cost import blocked_ns
from plot.runs import recorded, simulated

PAIRS = pd.DataFrame(
    [
        ("hot", "before", "recorded", 700),
        ("hot", "after", "recorded", 0),
        ("hot", "before", "simulated", 680),
        ("hot", "after", "simulated", 0),
        ("cold", "before", "simulated", 90),
        ("cold", "after", "simulated", 0),
    ],
    columns=["pair", "side", "kind", "pages"],
)


def marks(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for line in ax.lines:
        if line.get_linestyle() == "None":
            found.setdefault(str(line.get_label()), []).extend(map(tuple, line.get_xydata()))
    return found


def test_each_pair_has_its_row_and_simulated_lies_below_recorded(ax: Axes) -> None:
    plot.dumbbell(PAIRS, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hot", "cold"]
    drawn = marks(ax)
    assert drawn["recorded before"] == [(700, 0)]
    assert [y for _x, y in drawn["simulated before"]] == pytest.approx([0.28, 1])
    assert all(x == 0 for x, _y in drawn["recorded after"] + drawn["simulated after"])


def test_simulated_marks_are_hollow(ax: Axes) -> None:
    plot.dumbbell(PAIRS, ax=ax)
    faces = {line.get_label(): line.get_markerfacecolor() for line in ax.lines}
    assert faces["simulated before"] == "white"
    assert faces["recorded before"] != "white"


def test_before_and_after_differ_in_shape_too(ax: Axes) -> None:
    plot.dumbbell(PAIRS, ax=ax)
    shapes = {line.get_label(): line.get_marker() for line in ax.lines}
    assert shapes["recorded before"] != shapes["recorded after"]


def test_pages_inside_are_read_from_the_first_line() -> None:
    sides = ("before", "after")
    runs = [("uniform", side, recorded(f"postcopy-uniform-{side}")) for side in sides]
    frame = plot.save_complete_frame(runs)
    assert frame["pages"].tolist() == [58292, 0]
    assert frame["kind"].unique().tolist() == ["recorded"]


def test_a_run_that_never_came_to_save_complete_is_left_out() -> None:
    endless = simulated(workload="uniform:20000", downtime_limit="1ms")
    assert plot.save_complete_frame([("endless", "after", endless)]).empty


@pytest.mark.parametrize("postcopy_at", [None, "1s"], ids=["precopy", "postcopy"])
def test_the_parts_of_a_run_sum_up_to_its_bytes(postcopy_at: str | None) -> None:
    run = simulated(workload="uniform:2000", postcopy_at=postcopy_at)
    ram = run.summary["ram"]
    whole = ram["precopy-bytes"] + ram["downtime-bytes"] + ram["postcopy-bytes"]
    frame = plot.bytes_frame({"run": run})
    assert frame["bytes"].sum() == whole
    assert (frame["bytes"] >= 0).all()


def test_an_idle_guest_is_sent_once() -> None:
    run = simulated(workload="idle")
    parts = plot.bytes_frame({"idle": run}).set_index("part")["bytes"]
    once = parts["first send"] + parts["during downtime"]
    assert once == pytest.approx(run.summary["ram"]["normal"] * 4096, rel=0.02)
    assert parts["sent again"] < 100 * 4096
    assert parts["postcopy"] == 0


def test_bars_lie_end_to_end(ax: Axes) -> None:
    frame = pd.DataFrame(
        [("a", "first send", 4 << 20), ("a", "sent again", 2 << 20), ("b", "first send", 1 << 20)],
        columns=["run", "part", "bytes"],
    )
    plot.stacked_bytes(frame, ax=ax)
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert bars == [(0, 4), (4, 2), (0, 1)]
    assert ax.get_xlabel() == "sent (MiB)"
    assert [text.get_text() for text in ax.texts] == ["6", "1"]


@pytest.mark.parametrize(
    ("faults", "blocked"),
    [
        ([], 0),
        ([(10, 30)], 20),
        ([(10, 30), (20, 50)], 40),
        ([(10, 50), (20, 30), (60, 70)], 50),
        ([(20, 50), (10, 30)], 40),
        ([(10, 30), (40, None)], 20),
    ],
)
def test_overlapping_waits_count_once(faults: list[tuple[int, int | None]], blocked: int) -> None:
    frame = pd.DataFrame(faults, columns=["fault_ns", "placed_ns"], dtype="Int64")
    assert blocked_ns(frame) == blocked


def test_the_guest_loses_its_downtime_at_least() -> None:
    run = simulated(workload="uniform:1000")
    assert plot.guest_loss_s(run) == pytest.approx(run.summary["downtime"] / 1000)


def test_a_throttled_guest_loses_more_than_its_downtime() -> None:
    busy = {"workload": "uniform:7000", "downtime_limit": "700ms", "observe_for": "60s"}
    run = simulated(capabilities=("auto-converge",), **busy)
    assert run.outcome == "completed"
    assert plot.guest_loss_s(run) > run.summary["downtime"] / 1000 + 1


def test_only_completed_runs_have_a_cost() -> None:
    done = simulated(workload="uniform:1000")
    endless = simulated(workload="uniform:20000", downtime_limit="1ms")
    frame = plot.cost_frame([("precopy", 16 << 20, done), ("precopy", 8 << 20, endless)])
    assert frame["bandwidth_bytes_per_s"].tolist() == [16 << 20]
    assert frame["total_time_s"].iloc[0] == done.summary["total-time"] / 1000


def test_the_largest_loss_has_the_largest_mark(ax: Axes) -> None:
    columns = ["way", "bandwidth_bytes_per_s", "total_time_s", "downtime_s", "guest_loss_s"]
    rows = [("precopy", 1, 4.0, 0.3, 0.3), ("postcopy", 1, 2.0, 0.01, 0.9)]
    plot.cost(pd.DataFrame(rows, columns=columns), ax=ax)
    areas = [marks.get_sizes()[0] for marks in ax.collections]
    assert areas[1] > 2 * areas[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("total time (s)", "downtime (s)")
