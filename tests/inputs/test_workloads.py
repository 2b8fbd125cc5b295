"""Workload specifications, their text form, and recorded files."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import InputError
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import Callback, RecordedPages, RecordedRate, recorded_from_file
from migkit.workloads.text import parse_workload


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("idle", Idle()),
        ("uniform:20000", Uniform(rate_pages_per_s=20000)),
        ("uniform:12.5,pages=100,base=7", Uniform(rate_pages_per_s=12.5, pages=100, base_page=7)),
        ("uniform:1,set=1MiB", Uniform(rate_pages_per_s=1, pages=256)),
        ("sequential:4e3,seed=9", Sequential(rate_pages_per_s=4000, seed=9)),
        (
            "hotcold:8000,hot=4000,percent=95",
            HotCold(rate_pages_per_s=8000, hot_pages=4000, hot_percent=95),
        ),
        ("zipf:100,exponent=1.5", Zipf(rate_pages_per_s=100, exponent=1.5)),
        (
            "uniform:5,batch=10ms,generator=xorshift32",
            Uniform(rate_pages_per_s=5, batch_ms=10, generator="xorshift32"),
        ),
        (
            "phases:uniform:20000,pages=8@3s+idle@500ms",
            Phases(
                phases=(
                    Phase(workload=Uniform(rate_pages_per_s=20000, pages=8), duration_ms=3000),
                    Phase(workload=Idle(), duration_ms=500),
                )
            ),
        ),
    ],
)
def test_text_form(text, spec):
    assert parse_workload(text) == spec


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("unifrom:1", "did you mean uniform?"),
        ("uniform", "workload uniform · no rate"),
        ("uniform:fast", "'fast' is not a number"),
        ("uniform:-1", "rate -1 pages/s · allowed 0.."),
        ("uniform:inf", "rate inf pages/s"),
        ("uniform:1,pages=0", "pages 0 · allowed 1.."),
        ("uniform:1,pages=1.5", "'1.5' is not a whole number"),
        ("uniform:1,size=4", "no setting 'size'"),
        ("uniform:1,8", "'8' is no name=value"),
        ("uniform:1,generator=mt", "generator 'mt' · allowed counter or xorshift32"),
        ("zipf:1,generator=xorshift32", "generator 'xorshift32' · allowed counter"),
        ("zipf:1,exponent=11", "exponent 11 · allowed 0..10"),
        ("hotcold:1", "no number of hot pages"),
        ("hotcold:1,hot=9,pages=9", "9 hot pages · allowed 1..8"),
        ("hotcold:1,hot=9,percent=101", "hot_percent 101 · allowed 0..100"),
        ("idle:5", "idle workload: 5 pages/s · allowed 0"),
        ("phases:", "'' is no WORKLOAD@DURATION"),
        ("phases:idle@3s+uniform:3", "'uniform:3' is no WORKLOAD@DURATION"),
        ("phases:idle@3", "a unit is missing"),
        ("phases:idle@1us", "phase of 0 ms"),
        ("recorded:", "no file is named"),
        ("recorded:/does/not/exist.csv", "cannot be read"),
        (7, "a int, not text"),
    ],
)
def test_refused_in_one_line(text, line):
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        parse_workload(text)
    assert str(caught.value).count(" · ") == 2
    assert "\n" not in str(caught.value)


@given(st.integers(1, 500), st.integers(0, 500), st.none() | st.integers(1, 500))
def test_within_leaves_nothing_open_and_never_leaves_the_guest(memory, base, pages):
    spec = Uniform(rate_pages_per_s=1, pages=pages, base_page=base)
    fits = base < memory and (pages is None or base + pages <= memory)
    if not fits:
        with pytest.raises(InputError, match=f"the guest has {memory} pages"):
            spec.within(memory)
        return
    fitted = spec.within(memory)
    first, count = fitted.touched
    assert first == base
    assert 1 <= count <= memory - base
    assert fitted.pages == (memory - base if pages is None else pages)
    assert fitted.within(memory) == fitted


def test_hot_pages_are_checked_once_the_working_set_is_known():
    with pytest.raises(InputError, match=r"4000 hot pages · allowed 1\.\.1999"):
        HotCold(rate_pages_per_s=1, hot_pages=4000).within(2000)


def test_phases_span_what_any_of_them_touches():
    phases = parse_workload("phases:uniform:1,pages=8,base=4@1s+idle:pages=2,base=40@1s")
    assert phases.within(64).touched == (4, 38)
    with pytest.raises(InputError, match="list the inner phases"):
        Phase(workload=phases, duration_ms=1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_recorded_files_in_both_formats(tmp_path, suffix):
    pages = pd.DataFrame({"t_ns": [0, 5, 5], "page": [3, 1, 3]})
    rates = pd.DataFrame({"t_ns": [0, 10**9], "rate_pages_per_s": [100, 0]})
    for frame, kind in ((pages, RecordedPages), (rates, RecordedRate)):
        path = tmp_path / f"trace{suffix}"
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        spec = parse_workload(f"recorded:{path},pages=4")
        assert type(spec) is kind
        assert spec == recorded_from_file(path, pages=4)
        assert hash(spec) == hash(recorded_from_file(path, pages=4))
        assert spec.t_ns.tolist() == frame["t_ns"].tolist()
        assert not spec.t_ns.flags.writeable


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: RecordedPages(t_ns=[], page=[]), "no rows"),
        (lambda: RecordedPages(t_ns=[2, 1], page=[0, 0]), "times fall"),
        (lambda: RecordedPages(t_ns=[1], page=[0, 0]), "2 values of page · 1 values of t_ns"),
        (lambda: RecordedPages(t_ns=[1], page=[-1]), "page -1 · allowed 0 or more"),
        (lambda: RecordedPages(t_ns=["x"], page=[0]), "not whole numbers"),
        (
            lambda: RecordedPages(t_ns=[1], page=[9]).within(9),
            "page 9 · the working set has pages",
        ),
        (lambda: RecordedRate(t_ns=[1], rates=[-5]), "rate -5 pages/s"),
        (lambda: Callback(function=3), "it cannot be called"),
    ],
)
def test_bad_recordings_are_refused(make, line):
    with pytest.raises(InputError, match=re.escape(line)):
        make()


def test_recorded_equality_looks_at_the_values():
    spec = RecordedPages(t_ns=np.array([1, 2]), page=np.array([0, 1]))
    assert spec == RecordedPages(t_ns=[1, 2], page=[0, 1])
    assert spec != RecordedPages(t_ns=[1, 2], page=[0, 2])
    assert spec != Idle()


def test_wrong_columns_are_named(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("time,page\n1,2\n")
    with pytest.raises(InputError, match="columns time, page · give t_ns and page"):
        recorded_from_file(path)
