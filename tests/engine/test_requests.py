"""Requests by hand: what they wait for on the way, and in which order vCPUs are served."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, oracle, simulate
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.schema import EVENT_CODES

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]
MS = 1_000_000


def plan(costs: dict[str, int] | None = None, *, preempt: bool = False, **values: Any) -> Plan:
    """A guest in one block, all with data, in postcopy without a limit after 0.35 s."""
    given = {
        "memory": "32MiB", "workload": "uniform:2000", "bandwidth": "20MiB/s", "rule": "after",
        "postcopy_at": "350ms", **values,
    }  # fmt: skip
    scenario = Scenario.build(**given)
    made, pages = make_plan(scenario), scenario.guest.memory_bytes // 4096
    host = dataclasses.replace(
        made.host, postcopy=dataclasses.replace(made.host.postcopy, **(costs or {}))
    )
    return dataclasses.replace(
        made,
        host=host,
        postcopy_preempt=preempt,
        block_names=("pc.ram",),
        block_id_bytes=(6,),
        block_pages=(pages,),
        nonzero_extents=((0, pages),),
        always_dirty_pages=(),
    )


def latencies(recording: dict) -> np.ndarray:
    """Return the latency of every fault whose page a request sent."""
    faults = recording["faults"]
    return (faults["placed_ns"] - faults["fault_ns"])[faults["sent_ns"] >= 0]


@ENGINES
@pytest.mark.parametrize("megabytes", [2, 8])
def test_a_requested_page_waits_for_what_the_sockets_hold(run: Run, megabytes: int) -> None:
    """Pages at 2,250 ns each: 2 MB ahead are 1.1 ms, 8 MB 4.4 ms."""
    held = {"socket_bytes": megabytes * 1_000_000, "socket_wake_bytes": 0, "delayed_ack_ns": 0}
    given = plan(held, memory="128MiB")
    given = dataclasses.replace(given, send_buffer_bytes=0)
    full = megabytes * 1_000_000 * given.host.place_page_ns // 4104
    later = latencies(run(given))[2:]
    assert len(later) >= 2
    batch = 32 * given.host.place_page_ns
    assert abs(np.median(later) - full) < 2 * batch + given.host.postcopy.request_ns


@ENGINES
def test_a_blocked_source_looks_for_requests_only_when_it_wakes(run: Run) -> None:
    """With a third of the buffer to drain first, an answer waits up to that long."""
    held = {"socket_bytes": 6_000_000, "socket_wake_bytes": 2_000_000, "delayed_ack_ns": 0}
    given = plan(held, memory="128MiB")
    faults = run(given)["faults"]
    sent = faults["sent_ns"] >= 0
    waits = (faults["sent_ns"] - faults["request_ns"])[sent]
    longest = 2_000_000 * given.host.place_page_ns // 4104
    assert waits.max() <= longest + 33 * given.host.postcopy.page_ns
    assert waits.max() > longest // 4


@ENGINES
def test_a_small_segment_waits_for_the_acknowledgement_of_the_last(run: Run) -> None:
    """Nagle at the destination, a delayed acknowledgement at the source: 40 ms once a window.

    The source sends its window's pages, so its socket expects to answer; the next request that it
    hears without sending again is acknowledged only by the timer, and the one behind it waits.
    """
    slow = {"postcopy_bandwidth": "2MiB/s", "workload": "uniform:500"}
    processors_enough = {"urgent_place_ns": 0}
    held = run(plan(processors_enough, preempt=True, **slow))
    free = run(plan({"delayed_ack_ns": 0, **processors_enough}, preempt=True, **slow))
    waited = latencies(held) > 20 * MS
    windows = len(held["windows"]["t_ns"])
    assert 5 < waited.sum() <= windows
    assert latencies(held).max() <= 40 * MS + MS
    assert waited.mean() < 0.2
    assert (latencies(free) < MS).all()


@ENGINES
@pytest.mark.parametrize("vcpus", [1, 2, 8])
def test_each_vcpu_waits_for_its_own_pages_only(run: Run, vcpus: int) -> None:
    """A vCPU has one fault at a time; several overlap; every request is heard."""
    recording = run(plan(vcpus=vcpus, workload="uniform:40000"))
    faults = recording["faults"]
    open_at_once = 0
    for one in range(vcpus):
        mine = faults["vcpu"] == one
        begins, ends = faults["fault_ns"][mine], faults["placed_ns"][mine]
        assert (begins[1:] >= ends[:-1]).all()
        open_at_once += mine.any()
    assert open_at_once == vcpus
    times = np.concatenate((faults["fault_ns"], faults["placed_ns"]))
    steps = np.concatenate((np.ones(len(faults["page"])), -np.ones(len(faults["page"]))))
    order = np.lexsort((steps, times))
    assert np.cumsum(steps[order]).max() == vcpus
    assert recording["counters"]["postcopy_requests"] == len(faults["page"])


@ENGINES
def test_two_vcpus_on_one_page_ask_twice(run: Run) -> None:
    """The second request finds the page sent (get_queued_page_not_dirty); both vCPUs wake up."""
    given = plan(vcpus=6, workload="uniform:40000,pages=60")
    far = dataclasses.replace(given.workload, base_page=8000)  # the sweep's last pages
    recording = run(dataclasses.replace(given, workload=far))
    faults = recording["faults"]
    _, counts = np.unique(faults["page"], return_counts=True)
    events = recording["events"][:, 1]
    clean = (events == EVENT_CODES["get_queued_page_not_dirty"]).sum()
    twice = counts[counts > 1] - 1
    assert twice.sum() > 0
    assert clean >= twice.sum()
    assert recording["counters"]["postcopy_requests"] == len(faults["page"])


@ENGINES
def test_a_new_postcopy_limit_acts_at_once_and_a_precopy_one_does_not(run: Run) -> None:
    """Windows of 200 kB, then of 800 kB from the change on; max-bandwidth changes nothing."""
    change = TimelineItem(
        "migrate-set-parameters", at_s=1.0, arguments={"max-postcopy-bandwidth": 8_000_000}
    )
    other = TimelineItem(
        "migrate-set-parameters", at_s=1.0, arguments={"max-bandwidth": 8_000_000}
    )
    values = {"postcopy_bandwidth": "2MB/s", "workload": "idle"}
    changed, same, neither = (
        run(plan(timeline=items, **values))["windows"] for items in ((change,), (other,), ())
    )
    before = (changed["t_ns"] > 600 * MS) & (changed["t_ns"] < 1_000 * MS)
    after = (changed["t_ns"] > 1_250 * MS) & (changed["t_ns"] < 1_900 * MS)
    assert (changed["transferred_bytes"][before] < 200_000 + 140_000).all()
    assert (changed["transferred_bytes"][after] > 800_000).all()
    assert (same["transferred_bytes"] == neither["transferred_bytes"]).all()


def test_a_blackout_below_a_millisecond_is_a_coin_flip() -> None:
    """0 ms stored is overwritten by the whole phase; the coin lands as its length says.

    Without draws the likelier side comes out, here 1 ms: the blackout lasts more than half of one.
    """
    scenario = Scenario.build(
        memory="1GiB", workload="uniform:2000", bandwidth="20MiB/s", postcopy_at="350ms"
    )
    run = simulate(scenario)
    marks = run.events[run.events["event"] == "vmstate_downtime_checkpoint"]["t_ns"].to_numpy()
    blackout_ms = (marks[4] - marks[0]) / MS
    assert 0.5 < blackout_ms < 1
    assert run.summary["downtime"] == 1
    host = dataclasses.replace(
        scenario.host,
        noise=dataclasses.replace(
            scenario.host.noise, costs={"clock_phase_ns": (0, 999_999)}, limiter_late_ns=()
        ),
    )
    values = simulate(dataclasses.replace(scenario, host=host), replicates=100).runs
    stored = values["downtime_ms"].to_numpy()
    assert stored.min() == 1 < stored.max()
    assert (stored == 1).mean() == pytest.approx(blackout_ms, abs=0.12)
    assert (stored[stored != 1] > 10).all()
