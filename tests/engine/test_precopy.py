"""Precopy by hand: throttling, other iterables, the timeline, the link, the end of observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES, STATES, SYNC_REASONS

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]


def plan(**values: Any) -> Plan:
    """A plan from plain values; a 32 MiB guest at 20 MiB/s unless told otherwise."""
    return make_plan(Scenario.build(**{"memory": "32MiB", "bandwidth": "20MiB/s", **values}))


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


@ENGINES
def test_auto_converge_steps_every_second_bad_period(run: Run) -> None:
    """A guest that dirties all it can: 20 % after two periods of a second, then 30, 40, ..."""
    recording = run(
        plan(
            workload="uniform:30000",
            capabilities=["auto-converge"],
            observe_for="12s",
            downtime_limit="10ms",
        )
    )
    steps = rows(recording, "cpu_throttle_set")
    assert steps[:, 2].tolist() == [20 + 10 * i for i in range(len(steps))]
    assert len(steps) >= 2
    # Each step needs two periods of more than a second, and a period closes only at a sync.
    assert (np.diff(steps[:, 0]) > 2_000_000_000).all()
    shown = recording["rounds"]["cpu_throttle_percentage"]
    assert shown[-1] == steps[-1, 2]


def dirtied_per_s(recording: dict, percentage: int) -> float:
    """Pages found dirty in a second, over the syncs that began at a throttle percentage."""
    rounds = recording["rounds"]
    at = np.flatnonzero(rounds["cpu_throttle_percentage"][:-1] == percentage)
    pages = rounds["new_dirty_pages"][at + 1].sum()
    return pages * 1e9 / (rounds["t_ns"][at + 1] - rounds["t_ns"][at]).sum()


@ENGINES
@pytest.mark.parametrize(
    ("percentage", "at_least", "at_most"), [(30, 0.8, 1.3), (80, 0.8, 1.3), (95, 0.2, 0.5)]
)
def test_throttling_takes_time_not_work(
    run: Run, percentage: int, at_least: float, at_most: float
) -> None:
    """20,000 writes/s of 10 µs need a fifth of a vCPU: only what exceeds 80 % costs writes."""
    recording = run(
        plan(
            memory="256MiB",
            workload="uniform:20000",
            bandwidth="96MiB/s",
            downtime_limit="1ms",
            observe_for="20s",
            capabilities=["auto-converge"],
            parameters={"cpu-throttle-initial": percentage, "max-cpu-throttle": percentage},
        )
    )
    free, throttled = dirtied_per_s(recording, 0), dirtied_per_s(recording, percentage)
    # Shorter rounds find fewer pages written twice, so the rates differ a little in any case.
    assert at_least * free < throttled < at_most * free


@ENGINES
def test_sync_waits_for_a_sleeping_vcpu(run: Run) -> None:
    """At 99 % a vCPU sleeps 990 ms of each second, and a sync lasts until it runs again."""
    recording = run(
        plan(
            memory="64MiB",
            workload="uniform:50000",
            downtime_limit="1ms",
            observe_for="15s",
            capabilities=["auto-converge"],
            parameters={"cpu-throttle-initial": 99},
        )
    )
    rounds = recording["rounds"]
    lasted = rounds["end_ns"] - rounds["t_ns"]
    began = rows(recording, "cpu_throttle_set")[0, 0]
    assert lasted[rounds["end_ns"] <= began].max() < 10_000_000
    for start, length in zip(rounds["t_ns"], lasted, strict=True):
        into = (start - began) % 1_000_000_000
        if start > began and into < 989_000_000:
            assert length == pytest.approx(990_000_000 - into, abs=2_000_000)


@ENGINES
def test_other_iterables_take_turns_and_wait_for_budget(run: Run) -> None:
    """RAM first; with its window used up the second handler waits, and completes at the end."""
    device = {"name": "device", "initial_bytes": 5_000_000, "chunk_bytes": 65536}
    recording = run(plan(iterables=[device]))
    sections = rows(recording, "savevm_section_start")
    assert set(sections[:, 2].tolist()) == {0, 1}
    # While RAM uses up every window, the device gets nothing but its END section.
    assert (sections[:, 2] == 1).sum() < (sections[:, 2] == 0).sum()
    assert recording["counters"]["handler_sent_bytes"] == (5_000_000,)
    unlimited = run(plan(iterables=[device], bandwidth=0))
    turns = rows(unlimited, "savevm_section_start")[:, 2].tolist()
    assert turns[:4] == [0, 1, 0, 1]


@ENGINES
def test_pending_counts_every_iterable(run: Run) -> None:
    """First estimate = all of RAM + the device."""
    device = {"name": "device", "initial_bytes": 123_456, "chunk_bytes": 1000}
    recording = run(plan(iterables=[device]))
    total = recording["counters"]["total_bytes"]
    assert recording["iterations"]["pending_estimate_bytes"][0] == total + 123_456


@ENGINES
def test_commands_act_when_the_window_ends(run: Run) -> None:
    """A larger bandwidth given in the middle of a sleep is in force from the next window on."""
    faster = {"command": "migrate-set-parameters", "at": "350ms",
              "arguments": {"max-bandwidth": 40 << 20}}  # fmt: skip
    windows = run(plan(timeline=[faster], nonzero_percent=100))["windows"]
    sizes = windows["transferred_bytes"]
    first = int(np.flatnonzero(sizes > 2_200_000)[0])
    assert 400_000_000 < windows["t_ns"][first] < 460_000_000
    assert set(sizes[1:first].tolist()) == {2_101_266}
    assert sizes[first + 1] == 32 * 131_328 + 18


@ENGINES
def test_cancel_is_seen_after_the_sleep(run: Run) -> None:
    """cancelling at the command, cancelled when the window's sleep is over; the guest goes on."""
    cancel = {"command": "migrate_cancel", "at": "350ms"}
    recording = run(plan(timeline=[cancel], nonzero_percent=100))
    changes = rows(recording, "migrate_set_state")
    named = {STATES[code]: at for at, code in changes[:, [0, 2]]}
    assert recording["outcome"] == "cancelled"
    assert named["cancelling"] == 350_000_000
    assert 0 < named["cancelled"] - named["cancelling"] < 100_500_000


@ENGINES
def test_cut_in_precopy_fails(run: Run) -> None:
    """The source fails and its guest goes on; the destination fails too."""
    recording = run(plan(timeline=[{"command": "cut", "at": "350ms"}], nonzero_percent=100))
    assert recording["outcome"] == recording["destination_state"] == "failed"


@ENGINES
def test_pause_before_switchover_waits_for_continue(run: Run) -> None:
    """The guest stands still from pre-switchover on: the wait is downtime."""
    go_on = {"command": "migrate-continue", "at": "4s", "arguments": {"state": "pre-switchover"}}
    recording = run(plan(capabilities=["pause-before-switchover"], timeline=[go_on]))
    stopped = rows(recording, "migration_completion_vm_stop")[0, 0]
    assert recording["outcome"] == "completed"
    waited_ms = (4_000_000_000 - stopped) // 1_000_000
    assert recording["counters"]["downtime_ms"] >= waited_ms
    left = run(plan(capabilities=["pause-before-switchover"], observe_for="6s"))
    assert left["outcome"] == "pre-switchover"


@ENGINES
def test_slow_link_stretches_the_windows(run: Run) -> None:
    """A link slower than the limit: no sleep, windows as long as a pass, bandwidth the link's."""
    recording = run(plan(bandwidth=0, link_bandwidth="10MB/s", nonzero_percent=100, memory="8MiB"))
    windows = recording["windows"]
    steady = windows["transferred_bytes"][1:] * 1000 / windows["time_spent_ms"][1:]
    assert steady == pytest.approx(10_000_000, rel=0.02)
    assert (windows["time_spent_ms"] > 100).any()


@ENGINES
def test_observation_ends_a_run_that_does_not(run: Run) -> None:
    """More dirtied than can be sent: still active after 3 s, not a nanosecond later."""
    recording = run(plan(workload="uniform:20000", downtime_limit="1ms", observe_for="3s"))
    assert recording["outcome"] == "active"
    assert recording["counters"]["total_time_ms"] == 3000
    assert recording["events"][-1, 0] <= 3_000_000_000


@ENGINES
@pytest.mark.parametrize(
    "workload",
    ["idle", "sequential:900", "uniform:900", "hotcold:900,hot=64,percent=90", "zipf:900",
     "phases:uniform:900@200ms+idle@100ms"],
)  # fmt: skip
def test_every_workload_runs_in_both_phases(run: Run, workload: str) -> None:
    """Precopy and postcopy complete; only idle finds nothing dirtied."""
    recording = run(plan(workload=workload, postcopy_at="300ms"))
    assert recording["outcome"] == "completed"
    dirtied = int(recording["rounds"]["new_dirty_pages"].sum())
    assert (dirtied == 0) == (workload == "idle")


@ENGINES
@pytest.mark.parametrize("version", ["10.0.13", "10.2.2"])
def test_the_five_second_timer_syncs_in_long_rounds(run: Run, version: str) -> None:
    """48 MiB at four writes of 128 KiB a window: the first sweep takes 9.6 s, the second as long.

    The ticks at 5 and 10 s come with one sync made, or find a new one; that at 15 s finds none
    since the one before. It comes while the migration thread sleeps, and is not late for that.
    """
    recording = run(
        plan(
            memory="48MiB",
            workload="sequential:2000",
            bandwidth="4MiB/s",
            downtime_limit="1ms",
            observe_for="16s",
            qemu_version=version,
            capabilities=["auto-converge"],
        )
    )
    ticks = rows(recording, "cpu_throttle_dirty_sync")[:, 0]
    rounds = recording["rounds"]
    by_timer = rounds["t_ns"][rounds["reason"] == SYNC_REASONS.index("timer")]
    assert rounds["t_ns"][1] == pytest.approx(9.6e9, rel=0.02)
    assert by_timer.tolist() == ticks.tolist()
    assert ticks.tolist() == pytest.approx([15_001_000_000], abs=100_000)
