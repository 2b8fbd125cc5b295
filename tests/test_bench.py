"""The benchmark: the simulators it compares agree, and its figures are all there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from migkit import _engine, cli
from migkit.bench import numpy_simulator
from migkit.bench.run import COUNTERS
from migkit.bench.timing import Timing, slope
from migkit.errors import InputError
from migkit.plan import make_plan
from migkit.scenario import Scenario


@pytest.mark.parametrize(
    "values",
    [
        {"memory": "96MiB", "bandwidth": "10Gbit/s", "workload": "uniform:20000"},
        {"memory": "96MiB", "bandwidth": 0, "workload": "uniform:20000", "rule": "before"},
        {"memory": "48MiB", "bandwidth": "300MiB/s", "workload": "uniform:9000,pages=5000"},
        {"memory": "48MiB", "link_bandwidth": "2Gbit/s", "workload": "uniform:700,base=70"},
        {
            "memory": "64MiB",
            "bandwidth": "1Gbit/s",
            "downtime_limit": "20ms",
            "workload": "uniform:1500,pages=5000",
            "workload_lead": "1.2345s",
            "nonzero_percent": 40,
        },
    ],
)
def test_numpy_gives_what_the_engine_gives(values: dict[str, Any]) -> None:
    """Bytes, pages, syncs and times are equal, with zero pages among those with data."""
    plan = make_plan(Scenario.build(**values))
    counters = _engine.run(plan)["counters"]
    assert counters["dirty_sync_count"] >= 2
    assert numpy_simulator.run(plan) == {name: counters[name] for name in COUNTERS}


def test_numpy_refuses_what_it_does_not_know() -> None:
    """Another workload would not be compared with the same thing."""
    with pytest.raises(InputError, match="uniform"):
        numpy_simulator.run(make_plan(Scenario.build(workload="idle")))
    with pytest.raises(InputError, match="plain precopy"):
        numpy_simulator.run(
            make_plan(Scenario.build(workload="uniform:9", capabilities=("return-path",)))
        )


def test_slopes_by_hand() -> None:
    """Twice, then four times the cost for twice the size."""
    found = slope([1, 2, 4], [5, 10, 40])
    assert (found.exponent, found.least, found.most) == pytest.approx((1.5, 1, 2))


def test_a_time_is_the_median_and_shows_its_spread() -> None:
    """An interrupted run does not move the median."""
    timing = Timing((1.0, 9.0, 2.0))
    assert timing.median == 2.0
    assert timing.to_dict() == {"min": 1.0, "median": 2.0, "max": 9.0, "runs": 3}


def test_the_command_measures_and_writes(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    """All figures are numbers above zero; equal results are demanded."""
    file = tmp_path / "bench.json"
    assert cli.main(["bench", "--quick", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    figures = found["figures"]
    assert figures.pop("equal_results") is True
    assert {
        "guest_8gib_seconds",
        "guest_1tib_seconds",
        "ratio_to_numpy_simulator",
        "ratio_to_python_oracle",
        "exponent_memory",
        "ratio_with_postcopy_ram",
        "threads_against_processes_ratio",
    } <= set(figures)
    assert all(value > 0 for name, value in figures.items() if "exponent" not in name)
    assert found["spread"]["guest_8gib_seconds"]["runs"] >= 3
    assert found["machine"]["cores"] >= 1
    assert "ratio_to_numpy_simulator" in capsys.readouterr().out
