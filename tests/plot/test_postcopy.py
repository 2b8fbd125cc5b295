"""Pictures of postcopy and of a cut: swim lanes, fault latency and arrivals."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from migkit import plot
from plot.runs import recorded, simulated

CUT_BEFORE, CUT_AFTER = "cut-in-complete-before", "cut-same-moment-after"


def runs_of(name: str, until_s: int = 9) -> dict[str, list[tuple[float, float]]]:
    spans = plot.vm_spans(recorded(name), until_s * 10**9)
    found: dict[str, list[tuple[float, float]]] = {"source": [], "dest": []}
    for side, start, end in spans.itertuples(index=False):
        found[side].append((start / 1e9, end / 1e9))
    return found


def test_the_states_of_the_source_follow_each_other() -> None:
    spans = plot.state_spans(recorded(CUT_AFTER))
    source = spans[spans["side"] == "source"]
    assert source["end_ns"].tolist()[:-1] == source["start_ns"].tolist()[1:]
    assert source["state"].tolist()[-4:] == [
        "postcopy-recover-setup", "postcopy-recover", "postcopy-active", "completed",
    ]  # fmt: skip


def test_before_a_cut_leaves_two_vms_running() -> None:
    runs = runs_of(CUT_BEFORE)
    assert len(runs["source"]) == 2
    (_, stopped), (again, _) = runs["source"]
    (started, _) = runs["dest"][0]
    assert stopped == pytest.approx(3.005, abs=0.01)
    assert started < again == pytest.approx(4.74, abs=0.01)


def test_after_a_cut_the_source_stays_stopped() -> None:
    runs = runs_of(CUT_AFTER)
    assert len(runs["source"]) == 1
    assert len(runs["dest"]) == 1


@pytest.mark.parametrize(("name", "marked"), [(CUT_BEFORE, True), (CUT_AFTER, False)])
def test_split_brain_is_marked_where_it_is(ax: Axes, name: str, marked: bool) -> None:
    plot.lanes(recorded(name), ax=ax, from_s=2, until_s=9)
    words = [text.get_text() for text in ax.texts]
    assert ("split brain: two VMs run" in words) == marked
    assert "connection cut" in words
    assert ax.get_xlabel() == "time since migrate (s)"


def test_lanes_of_a_run_that_was_not_cut(ax: Axes) -> None:
    plot.lanes(recorded("precopy-hot-before"), ax=ax)
    assert "connection cut" not in [text.get_text() for text in ax.texts]
    runs = runs_of("precopy-hot-before")
    assert runs["source"][0][1] <= runs["dest"][0][0]


def test_lanes_show_no_vm_at_the_destination_before_it_runs(ax: Axes) -> None:
    plot.lanes(recorded(CUT_AFTER), ax=ax, from_s=4)
    lines = {str(line.get_label()): line.get_xdata() for line in ax.lines}
    assert min(lines["VM runs on dest"]) == 4
    assert "VM runs on source" not in lines


def test_latency_is_the_time_from_fault_to_page() -> None:
    run = recorded("postcopy-uniform-after")
    frame = plot.latency_frame(run)
    whole = run.faults.dropna(subset=["fault_ns", "placed_ns"])
    assert len(frame) == len(whole) > 10
    assert frame["latency_ns"].sum() == int((whole["placed_ns"] - whole["fault_ns"]).sum())
    assert frame["share_percent"].iloc[-1] == 100
    assert frame["latency_ns"].is_monotonic_increasing


def test_the_latency_axis_is_logarithmic_in_ms(ax: Axes) -> None:
    run = recorded("postcopy-uniform-after")
    plot.fault_latency(run, ax=ax, name="plain")
    (line,) = ax.lines
    assert line.get_xdata() * 1e6 == pytest.approx(plot.latency_frame(run)["latency_ns"])
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "fault latency (ms)")
    assert any(text.get_text().startswith("plain:\nmedian") for text in ax.texts)


def test_every_page_of_postcopy_arrives_requested_or_not() -> None:
    run = simulated(workload="uniform:2000", postcopy_at="1s")
    frame = plot.arrivals_frame(run)
    pending = plot.tail_frame(run)["pending_bytes"] // 4096
    assert frame["requested_pages"].iloc[-1] <= len(run.faults)
    both = frame["requested_pages"] + frame["background_pages"]
    assert (np.diff(both) >= 0).all()
    assert both.iloc[-1] == pending.iloc[0] - pending.iloc[-1]


@pytest.mark.parametrize("draw", [plot.fault_latency, plot.arrivals])
def test_a_run_without_postcopy_says_so(ax: Axes, draw: object) -> None:
    draw(recorded("precopy-hot-before"), ax=ax)  # type: ignore[operator]
    assert any("this run" in text.get_text() for text in ax.texts)
