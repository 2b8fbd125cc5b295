"""The tail: what is pending since postcopy began, and what save_complete moved."""

import pandas as pd
import pytest
from matplotlib.axes import Axes

from migkit import plot
from plot.runs import recorded, simulated

BEFORE, AFTER = "postcopy-hot-before", "postcopy-hot-after"
MIB = 1 << 20


def texts(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


def test_the_frame_ends_inside_save_complete() -> None:
    frame = plot.tail_frame(recorded(BEFORE))
    inside = frame[frame["part"] == "save_complete"]
    assert inside["pending_bytes"].tolist() == [73625 * 4096, 0]
    assert frame["t_ns"].is_monotonic_increasing
    assert (frame["t_ns"] >= 0).all()


def test_the_drawn_line_is_the_frame(ax: Axes) -> None:
    plot.tail(recorded(BEFORE), ax=ax)
    line = next(line for line in ax.lines if line.get_label() == "recorded save_complete")
    x, y = line.get_xydata().T
    assert y * MIB == pytest.approx([73625 * 4096, 0])
    # ram_save_complete done=0 and done=1 in the log, after postcopy_start
    assert x == pytest.approx([103.605, 288.053], abs=0.001)


def test_units_stand_on_both_axes(ax: Axes) -> None:
    plot.tail(recorded(AFTER), ax=ax)
    assert ax.get_xlabel() == "time since postcopy began (ms)"
    assert ax.get_ylabel() == "pending (MiB)"
    assert ax.get_ylim()[0] == 0


def test_pages_inside_are_hatched_and_named(ax: Axes) -> None:
    plot.tail(recorded(BEFORE), ax=ax)
    assert [area.get_hatch() for area in ax.collections] == ["////"]
    assert "save_complete: 288 MiB" in texts(ax)


def test_no_pages_inside_are_a_tick_at_zero(ax: Axes) -> None:
    plot.tail(recorded(AFTER), ax=ax)
    ticks = [line for line in ax.lines if line.get_marker() == "|"]
    assert [tick.get_xydata()[0][1] for tick in ticks] == [0]
    assert list(ax.collections) == []
    assert "save_complete: 0 pages" in texts(ax)


def test_a_twin_lies_thin_over_the_recording(ax: Axes) -> None:
    plot.tail(recorded(BEFORE), ax=ax, twin=simulated(postcopy_at="1s", workload="uniform:1000"))
    kinds = {line.get_label(): line for line in ax.lines}
    real, twin = kinds["recorded iterate"], kinds["simulated iterate"]
    assert twin.get_linewidth() < real.get_linewidth()
    assert twin.get_zorder() > real.get_zorder()


def test_two_panels_can_share_a_height(ax: Axes) -> None:
    plot.tail(recorded(AFTER), ax=ax, top_mib=500)
    assert ax.get_ylim() == (0, 500)


def test_a_run_without_postcopy_says_so(ax: Axes) -> None:
    plot.tail(recorded("precopy-hot-before"), ax=ax)
    assert "no postcopy phase" in texts(ax)
    assert list(ax.lines) == []


def test_a_log_that_tells_nothing_pending_says_so(
    ax: Axes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU 11.1 has no trace points for pending sizes."""
    run = recorded(AFTER)
    untold = run.iterations.assign(pending_estimate_bytes=pd.array([pd.NA] * len(run.iterations)))
    monkeypatch.setattr(type(run), "iterations", untold)
    plot.tail(run, ax=ax)
    assert "none that the log tells" in texts(ax)
