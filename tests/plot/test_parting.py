"""Two runs that part: what is drawn is what the comparison says."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from migkit import datasets, figures, plot, style
from migkit.compare import Comparison, compare
from plot.runs import simulated


@pytest.fixture
def parted() -> Comparison:
    return compare(datasets.capture_folder("precopy-hot-tight"))


def test_windows_add_up_to_how_far_the_runs_are_apart(parted: Comparison) -> None:
    frame = plot.window_frame(parted)
    assert len(frame) == len(parted.windows)
    assert frame["longer_ns"].cumsum().tolist() == frame["apart_ns"].tolist()
    ends = [run.windows["t_ns"] - run.iterations["t_ns"][0] for run in (parted.real, parted.twin)]
    assert frame["apart_ns"].tolist() == (ends[1] - ends[0]).tolist()


def test_both_runs_are_drawn_and_the_partings_marked(parted: Comparison, ax: Axes) -> None:
    plot.pending_of_both(parted, ax=ax)
    drawn = {str(line.get_label()): line for line in ax.lines}
    assert drawn["real"].get_ydata()[0] == pytest.approx(537403392 / 2**20)
    assert drawn["twin"].get_ydata()[0] == pytest.approx(537403392 / 2**20)
    assert parted.first is not None
    assert parted.first_pages is not None
    marked = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert marked == pytest.approx([parted.first.t_ns / 1e9, parted.first_pages.t_ns / 1e9])
    said = [text.get_text() for text in ax.texts]
    name = {"t_ns": "time"}.get(parted.first.counter, parted.first.counter)
    assert said == [f"{name} parts", "pages part"]


def test_each_window_has_its_stem(parted: Comparison, ax: Axes) -> None:
    plot.window_times(parted, ax=ax)
    frame = plot.window_frame(parted)
    tops = [path.vertices[1, 1] for path in ax.collections[-1].get_paths()]
    assert tops == pytest.approx((frame["longer_ns"] / 1e6).tolist())


def test_bytes_that_are_the_same_are_said_to_be(ax: Axes) -> None:
    plot.window_bytes(compare(simulated(), simulated()), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["the same in every window"]


def test_bytes_that_differ_are_drawn_in_kib(ax: Axes) -> None:
    comparison = compare(simulated(), simulated(bandwidth="8MiB/s"))
    plot.window_bytes(comparison, ax=ax)
    more = plot.window_frame(comparison)["more_bytes"]
    tops = [path.vertices[1, 1] for path in ax.collections[-1].get_paths()]
    assert tops == pytest.approx((more / 1024).tolist())
    assert np.all(more < 0)


def test_runs_that_do_not_part_have_no_mark(ax: Axes) -> None:
    plot.pending_of_both(compare(simulated(), simulated()), ax=ax)
    assert not ax.texts


def test_the_figure_is_one_column_wide(parted: Comparison) -> None:
    figure = figures.parting(parted)
    assert figure.get_figwidth() == pytest.approx(8.5 * style.CM)
    assert len(figure.axes) == 3
    assert figure.axes[0].get_ylabel() == "pending (MiB)"


@pytest.mark.parametrize("name", ["v11.1-precopy-hot", "v10.0-postcopy-uniform", "idle"])
def test_logs_of_any_version_are_drawn(name: str) -> None:
    figure = figures.parting(compare(datasets.capture_folder(name)))
    figure.canvas.draw()
    assert len(figure.axes[0].get_legend().get_texts()) == 2


def test_a_log_without_times_is_said_to_have_none(tmp_path: Path) -> None:
    log = tmp_path / "bare.log"
    log.write_text(simulated().to_trace_log(form="bare"), encoding="utf-8")
    figure = figures.parting(compare(simulated(), log))
    figure.canvas.draw()
    assert figure.axes[0].texts[0].get_text() == "the log of bare has no times"
    assert figure.axes[1].texts[0].get_text() == "no window is known of both"
