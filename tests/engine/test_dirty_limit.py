"""The dirty limit by hand: what is measured, how long a vCPU sleeps, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit.oracle import execution, guest
from migkit.oracle.world import World
from migkit.plan import Plan, make_plan
from migkit.results.summaries import summary_of
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]
SECOND = 1_000_000_000

# A full ring of 4096 entries, of which 576 stay free.
RING_PAGES = 3520
# Making so many writes at 1 us and 2 us for the fault, then leaving the guest: 10 us, a call of
# 3 us, 50 ns to protect each page again.
FILL_NS = RING_PAGES * 3_000
LEAVE_NS = 10_000 + 3_000 + RING_PAGES * 50


def limited(**values: Any) -> Plan:
    """20,000 pages/s in order, 78 MB/s, for one vCPU; nothing converges."""
    written = {
        "memory": "64MiB",
        "bandwidth": "16MiB/s",
        "workload": "sequential:20000",
        "downtime_limit": "1ms",
        "accelerator": "kvm,dirty-ring-size=4096",
        "capabilities": ["dirty-limit"],
        "parameters": {"vcpu-dirty-limit": 10},
        "observe_for": "16s",
    }
    return make_plan(Scenario.build(**{**written, **values}))


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


@ENGINES
def test_a_vcpu_sleeps_until_it_keeps_its_quota(run: Run) -> None:
    """78 MB/s against 10: 87 % too much of a ring that fills in 205128 us at that rate.

    205128 * 87 / (100 - 87) = 1372779.7; with that the vCPU makes 3520 pages in 1.38 s, which is
    10 MB/s: within 25 MB/s of its quota, nothing is changed any more.
    """
    recording = run(limited())
    engaged = rows(recording, "migration_dirty_limit_guest")
    adjusted = rows(recording, "dirtylimit_throttle_pct")
    slept = rows(recording, "dirtylimit_vcpu_execute")
    assert engaged[:, 2].tolist() == [10]
    assert adjusted[:, 2:5].tolist() == [[0, 87, 1_372_779]]
    assert adjusted[0, 0] == engaged[0, 0] + SECOND
    assert set(slept[:, 3].tolist()) == {1_372_779}
    cycle_ns = FILL_NS + LEAVE_NS + 1_372_779_000
    assert np.diff(slept[:, 0]).tolist() == pytest.approx(
        [cycle_ns] * (len(slept) - 1), abs=10_000
    )
    counters = recording["counters"]
    assert counters["dirty_limit_throttle_time_per_round_us"] == 1_372_779
    assert counters["dirty_limit_ring_full_time_us"] == 205_128
    summary = summary_of(counters)
    assert summary["dirty-limit-throttle-time-per-round"] == 1_372_779
    assert summary["dirty-limit-ring-full-time"] == 205_128


@ENGINES
def test_a_sync_waits_for_a_vcpu_that_sleeps(run: Run) -> None:
    """Its ring cannot be read before it has left the guest's full ring behind."""
    recording = run(limited())
    rounds, slept = recording["rounds"], rows(recording, "dirtylimit_vcpu_execute")
    ends = slept[:, 0] + 3_000 + LEAVE_NS + 1_372_779_000
    waited = 0
    for start, end in zip(rounds["t_ns"], rounds["end_ns"], strict=True):
        inside = (slept[:, 0] < start) & (start < ends)
        if inside.any():
            waited += 1
            assert end - ends[inside][0] == pytest.approx(100_000, abs=50_000)
        else:
            assert end - start < 1_000_000
    assert waited


@ENGINES
def test_the_quota_holds_for_each_vcpu(run: Run) -> None:
    """Two vCPUs share 40,000 writes/s; each comes to the sleep of one with 20,000."""
    recording = run(limited(vcpus=2, workload="sequential:40000", observe_for="11s"))
    adjusted = rows(recording, "dirtylimit_throttle_pct")
    assert adjusted[:2, 2:5].tolist() == [[0, 87, 1_372_779], [1, 87, 1_372_779]]
    slept = rows(recording, "dirtylimit_vcpu_execute")
    assert set(slept[:, 2].tolist()) == {0, 1}


@ENGINES
def test_without_trouble_there_is_no_limit(run: Run) -> None:
    """A guest that converges never gets one, and nothing is reported."""
    recording = run(limited(workload="sequential:50", bandwidth="64MiB/s"))
    assert recording["counters"]["status"] == "completed"
    assert recording["counters"]["dirty_limit_throttle_time_per_round_us"] is None
    assert "dirty-limit-ring-full-time" not in summary_of(recording["counters"])


def test_the_reaper_protects_all_pages_once_a_second() -> None:
    """100 pages over and over fill no ring: each has one entry a second, read at 1, 2 and 3 s."""
    w = World(limited(workload="sequential:1000,pages=100", capabilities=[]))
    execution.begin(w)
    w.t = 3_500_000_000
    guest.advance(w)
    assert (w.vcpus[0].dirty_pages, len(w.vcpus[0].ring)) == (300, 100)
    assert w.dirty_log.pages == set(range(100))


@ENGINES
def test_the_limit_is_lifted_by_nothing_but_a_cancel(run: Run) -> None:
    """It holds on while the guest behaves: the vCPU sleeps with every full ring."""
    phases = "phases:sequential:20000@11s+sequential:1@20s"
    recording = run(limited(workload=phases, observe_for="20s"))
    assert len(rows(recording, "migration_dirty_limit_guest")) == 1
    assert recording["counters"]["dirty_limit_throttle_time_per_round_us"] is not None
