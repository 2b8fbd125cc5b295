"""Postcopy by hand: what the switch costs, who sends the tail, what a cut loses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, datasets, oracle
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.schema import EVENT_CODES, STATES

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]
RECOVER = (
    TimelineItem("migrate-recover", at_s=5, side="dest"),
    TimelineItem("migrate", at_s=5.001, arguments={"resume": True}),
)


def captured(name: str, *timeline: TimelineItem, **changes: Any) -> Plan:
    """The scenario of a recorded migration, with more on its timeline or other values."""
    scenario = Scenario.from_capture(datasets.capture_folder(name))
    scenario = dataclasses.replace(scenario, timeline=(*scenario.timeline, *timeline), **changes)
    return make_plan(scenario)


def small(rule: str, *timeline: TimelineItem, **values: Any) -> Plan:
    """A 32 MiB guest that goes over to postcopy after 0.35 s at 20 MiB/s."""
    given = {
        "memory": "32MiB",
        "workload": "uniform:2000",
        "bandwidth": "20MiB/s",
        "postcopy_bandwidth": "20MiB/s",
        "downtime_limit": "1000ms",
        "postcopy_at": "350ms",
        "rule": rule,
        "timeline": timeline,
        **values,
    }
    return make_plan(Scenario.build(**given))


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


def states(recording: dict) -> list[str]:
    """Return the source's states in order."""
    return [STATES[code] for code in rows(recording, "migrate_set_state")[:, 2]]


@ENGINES
def test_discards_name_twelve_runs_a_command(run: Run) -> None:
    """Every other page of 100 dirty, nothing else: 50 runs, so 4 commands of 12 and one of 2."""
    recording = run(
        dataclasses.replace(
            small("after", workload="idle", memory="1MiB", nonzero_percent=100),
            block_names=("pc.ram",),
            block_id_bytes=(6,),
            block_pages=(256,),
            nonzero_extents=((0, 256),),
            always_dirty_pages=tuple(range(0, 100, 2)),
            max_bandwidth_bytes_per_s=10_000_000,
            avail_switchover_bandwidth_bytes_per_s=1000,
        )
    )
    commands = rows(recording, "savevm_command_send")
    discards = commands[commands[:, 2] == 6][:, 3]
    assert recording["rounds"]["remaining_pages"][-1] == 50
    assert discards.tolist() == [3 + 6 + 16 * 12] * 4 + [3 + 6 + 16 * 2]


@ENGINES
def test_package_is_built_and_sent(run: Run) -> None:
    """LISTEN, devices, two pings and RUN: 12,924 + 28 bytes on a pc, as QEMU 10.2.2 reports."""
    assert run(small("after"))["counters"]["package_bytes"] == 12952
    older = run(small("after", qemu_version="10.1.0"))
    assert older["counters"]["package_bytes"] == 12943
    assert "postcopy-device" not in states(older)
    assert "postcopy-device" in states(run(small("after")))


@ENGINES
def test_tail_is_sent_inside_save_complete_only_by_the_old_rule(run: Run) -> None:
    """The same guest: below the threshold the old rule completes, the new one iterates on."""
    before, after = run(small("before")), run(small("after"))
    tail = rows(before, "ram_save_complete")[0, 2] * 4096
    last = before["iterations"]["threshold_size_bytes"][-1]
    assert 0 < tail < last
    assert rows(before, "migration_thread_low_pending")[0, 2] == tail
    assert before["counters"]["exact_queries_in_postcopy"] == 1
    assert rows(after, "ram_save_complete")[:, 2].tolist() == [0, 0]
    assert rows(after, "migration_thread_low_pending")[0, 2] == 0
    assert after["counters"]["exact_queries_in_postcopy"] == 0
    assert before["outcome"] == after["outcome"] == "completed"
    # The tail goes out without a budget: a second of it in a few milliseconds.
    moments = rows(before, "ram_save_complete")[:, 0]
    assert tail > 20 * (1 << 20) * 0.3
    assert moments[1] - moments[0] < 100_000_000


@ENGINES
@pytest.mark.parametrize("downtime_limit", ["0ms", "100ms", "400ms"])
def test_old_tail_grows_with_the_downtime_limit(run: Run, downtime_limit: str) -> None:
    """The tail stays below bandwidth times downtime limit, and is none at a limit of 0."""
    recording = run(small("before", downtime_limit=downtime_limit))
    tail = rows(recording, "ram_save_complete")[0, 2] * 4096
    threshold = recording["iterations"]["threshold_size_bytes"][-1]
    assert tail < threshold or tail == 0
    assert (tail == 0) == (downtime_limit == "0ms")


@ENGINES
def test_faulting_page_is_sent_before_the_sweep_goes_on_behind_it(run: Run) -> None:
    """A request is answered next; the page after it follows, and latencies add up."""
    recording = run(captured("postcopy-uniform-after"))
    faults = recording["faults"]
    assert len(faults["page"]) > 20
    assert (faults["request_ns"] > faults["fault_ns"]).all()
    answered = faults["sent_ns"] >= 0
    assert (faults["sent_ns"][answered] >= faults["request_ns"][answered]).all()
    assert (faults["placed_ns"] > faults["fault_ns"]).all()
    assert len(np.unique(faults["page"])) == len(faults["page"])  # none is missing twice
    asked = recording["counters"]["postcopy_requests"]
    got = len(rows(recording, "get_queued_page")) + len(
        rows(recording, "get_queued_page_not_dirty")
    )
    # The guest's last requests may find the stream already at its end.
    assert asked - 1 <= got <= asked


@ENGINES
def test_cut_inside_save_complete_cannot_be_recovered(run: Run) -> None:
    """The old rule's tail: source failed and running again, destination paused: split brain."""
    cut = TimelineItem("cut", at_event="ram_save_complete", after_s=0.001)
    recording = run(captured("postcopy-uniform-before", cut, *RECOVER))
    assert recording["outcome"] == "failed"
    assert recording["destination_state"] == "postcopy-paused"
    assert states(recording)[-1] == "failed"
    assert rows(recording, "ram_save_complete")[0, 2] > 0


@ENGINES
def test_same_cut_after_the_rewrite_is_recovered(run: Run) -> None:
    """At the same moment the new rule still iterates: both pause, recover, complete."""
    cut = TimelineItem("cut", at_event="ram_save_complete", after_s=0.001)
    old = run(captured("postcopy-uniform-before", cut))
    moment = float(rows(old, "ram_save_complete")[0, 0] + 1_000_000) / 1e9
    recording = run(captured("postcopy-uniform-after", TimelineItem("cut", at_s=moment), *RECOVER))
    assert recording["outcome"] == recording["destination_state"] == "completed"
    passed = states(recording)
    at = passed.index("postcopy-paused")
    assert passed[at:] == [
        "postcopy-paused",
        "postcopy-recover-setup",
        "postcopy-recover",
        "postcopy-active",
        "completed",
    ]


@ENGINES
def test_without_recovery_both_sides_stay_paused(run: Run) -> None:
    """Nobody resumes: the migration ends where it is."""
    recording = run(captured("postcopy-uniform-after", TimelineItem("cut", at_s=3.22)))
    assert recording["outcome"] == recording["destination_state"] == "postcopy-paused"


@ENGINES
def test_migrate_pause_can_be_recovered_more_than_once(run: Run) -> None:
    """Pause, recover, pause, recover."""
    items = []
    for at in (0.7, 2.2):
        items += [
            TimelineItem("migrate-pause", at_s=at),
            TimelineItem("migrate-recover", at_s=at + 1.0, side="dest"),
            TimelineItem("migrate", at_s=at + 1.001, arguments={"resume": True}),
        ]
    recording = run(small("after", *items, postcopy_bandwidth="4MiB/s"))
    assert states(recording).count("postcopy-paused") == 2
    assert recording["outcome"] == "completed"


@ENGINES
def test_postcopy_bandwidth_limits_the_sweep_but_not_the_old_tail(run: Run) -> None:
    """Windows hold the budget of 2,097,152 bytes and at most one write more."""
    recording = run(small("after"))
    begins = rows(recording, "postcopy_start")[0, 0]
    windows = recording["windows"]
    inside = windows["t_ns"] > begins + 100_000_000
    assert inside.any()
    assert (windows["transferred_bytes"][inside] <= 2_097_152 + 131_338 + 18).all()


@ENGINES
def test_asked_for_below_the_threshold_the_rules_part(run: Run) -> None:
    """Both asked for at once: the old rule completes in precopy, the new one goes to postcopy."""
    limit = {"downtime-limit": 2_000_000}
    items = (
        TimelineItem("migrate-set-parameters", at_s=0.31, arguments=limit),
        TimelineItem("migrate-start-postcopy", at_s=0.45),
    )
    values = {
        "bandwidth": "3MiB/s", "downtime_limit": "1ms", "capabilities": ["postcopy-ram"],
        "postcopy_at": None, "postcopy_bandwidth": None,
    }  # fmt: skip
    before, after = run(small("before", *items, **values)), run(small("after", *items, **values))
    assert "postcopy-active" not in states(before)
    assert before["outcome"] == "completed"
    assert len(rows(after, "postcopy_start")) == len(rows(before, "postcopy_start")) in (0, 1)
