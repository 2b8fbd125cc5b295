"""Pictures of precopy: rounds, windows, the staircase and the dirtying curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes

from migkit import plot
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Workload, Zipf
from plot.runs import recorded, simulated

MIB = 1 << 20


def test_a_mark_for_each_sync_at_its_time(ax: Axes) -> None:
    run = simulated(workload="uniform:2000")
    plot.rounds(run, ax=ax)
    drawn = np.vstack([line.get_xydata() for line in ax.lines if "sync" in str(line.get_label())])
    rounds = run.rounds[run.rounds["remaining_pages"] > 0].astype({"remaining_pages": float})
    assert sorted(drawn[:, 0]) == pytest.approx(sorted(rounds["t_ns"].astype(float) / 1e9))
    assert sorted(drawn[:, 1] * 256) == pytest.approx(sorted(rounds["remaining_pages"]))


def test_rounds_have_units_and_a_logarithmic_height(ax: Axes) -> None:
    plot.rounds(recorded("precopy-uniform-slow"), ax=ax)
    assert ax.get_xlabel() == "time since migrate (s)"
    assert ax.get_ylabel() == "left to send (MiB)"
    assert ax.get_yscale() == "log"


def test_the_threshold_moves_with_the_windows(ax: Axes) -> None:
    run = recorded("precopy-uniform-slow")
    plot.rounds(run, ax=ax)
    level = next(line for line in ax.lines if line.get_label() == "threshold_size")
    above = run.windows["threshold_size_bytes"].astype(float)
    assert level.get_ydata() * MIB == pytest.approx(above[above > 0])


@pytest.mark.parametrize(
    ("limit", "rate", "said"),
    [("300ms", 1000, "completed,\ndowntime"), ("1ms", 20000, "still running when")],
)
def test_the_end_says_what_ended_it(ax: Axes, limit: str, rate: int, said: str) -> None:
    plot.rounds(simulated(workload=f"uniform:{rate}", downtime_limit=limit), ax=ax)
    assert any(said in text.get_text() for text in ax.texts)


def test_an_exact_query_adds_a_leap_to_pending() -> None:
    run = simulated(workload="uniform:2000")
    asked = int(run.iterations["pending_exact_bytes"].notna().sum())
    assert asked > 0
    assert len(plot.pending_frame(run)) == len(run.iterations) + asked


def test_windows_are_drawn_in_mib_per_second(ax: Axes) -> None:
    run = simulated(workload="idle")
    plot.windows(run, ax=ax)
    (line,) = ax.lines
    assert line.get_ydata()[0] * MIB / 1000 == run.windows["bandwidth_bytes_per_ms"].iloc[0]
    assert ax.get_ylabel() == "measured bandwidth (MiB/s)"


def test_each_step_begins_where_the_last_one_ended() -> None:
    frame = plot.staircase_frame(recorded("precopy-hot-before"))
    assert frame["left_bytes"].tolist()[:-1] == frame["to_send_bytes"].tolist()[1:]
    assert (frame["duration_s"] > 0).all()


def test_the_corner_is_the_downtime_limit_times_the_bandwidth(ax: Axes) -> None:
    run = simulated(workload="uniform:2000")
    plot.staircase(run, ax=ax, bandwidth_bytes_per_s=16 * MIB, downtime_limit_ms=250)
    corner = ax.collections[0].get_paths()[0].vertices
    assert corner.max(axis=0) == pytest.approx([0.25, 4.0])
    line = next(line for line in ax.lines if line.get_label() == "B·t")
    x, y = line.get_xydata().T
    assert y / x == pytest.approx([16, 16])


def test_the_bandwidth_of_a_run_is_that_of_its_windows() -> None:
    run = simulated(workload="idle")
    assert plot.sending_bandwidth(run) == pytest.approx(16 * MIB, rel=0.05)


def test_a_simulated_round_ends_on_the_expected_curve() -> None:
    run = simulated(workload="uniform:1500,pages=8000", downtime_limit="20ms")
    first = plot.staircase_frame(run).iloc[0]
    curve = plot.dirtying_frame(
        run.scenario.workload.within(8192), np.array([first["duration_s"]])
    )
    assert first["left_bytes"] == pytest.approx(curve["dirty_bytes"].iloc[0], rel=0.05)


WORKLOADS = [
    Sequential(rate_pages_per_s=4000, pages=1000),
    Uniform(rate_pages_per_s=4000, pages=1000),
    HotCold(rate_pages_per_s=4000, pages=1000, hot_pages=50),
    Zipf(rate_pages_per_s=4000, pages=1000, exponent=1.2),
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.kind)
def test_no_curve_passes_its_writes_or_its_pages(workload: Workload) -> None:
    times = np.linspace(0, 50, 200)
    pages = plot.dirtying_frame(workload, times)["dirty_bytes"].to_numpy() / 4096
    assert (pages <= np.minimum(4000 * times, 1000) * (1 + 1e-9)).all()
    assert (np.diff(pages) >= -1e-6).all()
    assert pages[0] == 0
    assert pages[-1] > 900


@given(st.integers(2, 400), st.integers(0, 2000))
def test_uniform_writes_are_expected_as_in_the_birthday_problem(pages: int, writes: int) -> None:
    workload = Uniform(rate_pages_per_s=writes, pages=pages)
    drawn = plot.dirtying_frame(workload, np.array([1.0]))["dirty_bytes"].iloc[0] / 4096
    assert drawn == pytest.approx(pages * (1 - (1 - 1 / pages) ** writes), abs=1e-6)


def test_zipf_in_groups_is_zipf() -> None:
    workload = Zipf(rate_pages_per_s=5000, pages=20000, exponent=0.9)
    weights = np.arange(1, 20001) ** -0.9
    exact = -np.expm1(-5000 * weights / weights.sum()).sum()
    drawn = plot.dirtying_frame(workload, np.array([1.0]))["dirty_bytes"].iloc[0] / 4096
    assert drawn == pytest.approx(exact, rel=0.001)


def test_idle_dirties_nothing() -> None:
    assert (plot.dirtying_frame(Idle(pages=10))["dirty_bytes"] == 0).all()
