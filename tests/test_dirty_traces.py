"""Dirty traces that ship: whole, told as QEMU counted them, and good to simulate with."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import migkit
from migkit import datasets
from migkit.errors import DatasetError

CHECKOUT = Path(__file__).parent.parent / "datasets"
NAMES = datasets.dirty_trace_names()
PAGES = 16384
FIRMWARE_PAGES = 130


def test_every_file_is_registered() -> None:
    assert sorted(path.name for path in (CHECKOUT / "traces").iterdir()) == sorted(NAMES)
    for name in NAMES:
        files = sorted(path.name for path in (CHECKOUT / "traces" / name).iterdir())
        assert files == ["pages.parquet", "trace.json"]
        assert sum(f.stat().st_size for f in (CHECKOUT / "traces" / name).iterdir()) < 150_000


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_has_every_page_that_the_source_counted(name: str) -> None:
    trace = datasets.load_dirty_trace(name)
    ram = trace.recorded["query_migrate"]["ram"]
    assert len(trace.pages) + FIRMWARE_PAGES == ram["normal"] + ram["duplicate"]
    assert trace.pages["order"].tolist() == list(range(len(trace.pages)))
    first = trace.pages[trace.pages["round"] == 0]
    assert sorted(first["page"]) == list(range(PAGES))
    assert trace.pages["t_ns"].is_monotonic_increasing
    duration_ns = trace.recorded["query_migrate"]["total-time"] * 1e6
    assert duration_ns * 0.9 < trace.pages["t_ns"].max() < duration_ns * 1.01
    # A round goes through memory once, upwards.
    for _, pages in trace.pages.groupby("round")["page"]:
        assert (np.diff(pages) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_rounds_add_up(name: str) -> None:
    trace = datasets.load_dirty_trace(name)
    rounds = trace.rounds
    assert rounds["pages"].sum() == len(trace.pages)
    assert rounds["new_pages"].iloc[0] == rounds["pages"].iloc[0] == PAGES
    assert (rounds["new_pages"] <= rounds["pages"]).all()
    assert rounds["begin_ns"].is_monotonic_increasing


def test_the_pages_are_those_of_the_patterns() -> None:
    written = {}
    for name in NAMES:
        pages = datasets.load_dirty_trace(name).pages
        written[name] = pages.loc[pages["round"] > 0, "page"]
        inside = written[name].between(1024, 1024 + 12287) | (written[name] == 511)
        assert inside.mean() > 0.99
    counts = written["hotcold"].value_counts()
    hot = counts.index[:1024]
    assert hot.isin(range(1024, 2048)).mean() > 0.99
    assert counts.iloc[:1024].mean() > 15 * counts.iloc[1024:].mean()
    assert written["uniform"].value_counts().quantile(0.95) < 10


@pytest.mark.parametrize("name", NAMES)
def test_a_write_lies_between_two_times_its_page_was_sent(name: str) -> None:
    trace = datasets.load_dirty_trace(name)
    writes = trace.workload()
    assert len(writes.page) == len(trace.pages) - PAGES
    page = int(np.bincount(writes.page)[1024:].argmax()) + 1024
    sent = trace.pages.loc[trace.pages["page"] == page, ["t_ns", "round"]]
    begins = trace.rounds["begin_ns"].to_numpy()[sent["round"]]
    times = np.sort(writes.t_ns[writes.page == page])
    assert len(times) == len(sent) - 1
    assert (times >= sent["t_ns"].to_numpy()[:-1]).all()
    rounds_before = trace.rounds["begin_ns"].to_numpy()[sent["round"].to_numpy()[1:] - 1]
    assert (times >= np.minimum(rounds_before, begins[1:])).all()
    assert (times <= np.maximum(begins[1:], sent["t_ns"].to_numpy()[:-1])).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_simulation_with_the_trace_is_like_the_run_it_came_from(name: str) -> None:
    trace = datasets.load_dirty_trace(name)
    run = migkit.simulate(trace.scenario())
    ram = trace.recorded["query_migrate"]["ram"]
    assert run.outcome == "completed"
    assert run.counters["normal_pages"] == pytest.approx(ram["normal"], rel=0.01)
    assert len(run.rounds) == pytest.approx(ram["dirty-sync-count"], rel=0.12)
    real_ms = trace.recorded["query_migrate"]["total-time"]
    assert run.summary["total-time"] == pytest.approx(real_ms, rel=0.01)


def test_an_unknown_trace_is_refused() -> None:
    with pytest.raises(DatasetError, match="did you mean hotcold"):
        datasets.load_dirty_trace("hot-cold")


def test_a_spoilt_trace_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CHECKOUT, tmp_path / "datasets")
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path / "datasets"))
    file = tmp_path / "datasets" / "traces" / "uniform" / "trace.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(DatasetError, match=r"trace\.json"):
        datasets.load_dirty_trace("uniform")
