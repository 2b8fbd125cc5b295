"""Pause and recovery by hand: what is lost, what is asked again, what each failure leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.schema import EVENT_CODES, STATES

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
PREEMPT = pytest.mark.parametrize("preempt", [False, True], ids=["vanilla", "preempt"])
Run = Callable[[Plan], dict[str, Any]]
MS = 1_000_000


def plan(*timeline: TimelineItem, preempt: bool = False, **values: Any) -> Plan:
    """A 32 MiB guest in one block, all with data, in postcopy at 4 MiB/s after 0.35 s."""
    given = {
        "memory": "32MiB", "workload": "uniform:500", "bandwidth": "20MiB/s", "rule": "after",
        "postcopy_bandwidth": "4MiB/s", "postcopy_at": "350ms", "timeline": timeline, **values,
    }  # fmt: skip
    return dataclasses.replace(
        make_plan(Scenario.build(**given)),
        postcopy_preempt=preempt,
        postcopy_page_hint=preempt,
        block_names=("pc.ram",),
        block_id_bytes=(6,),
        block_pages=(8192,),
        nonzero_extents=((0, 8192),),
        always_dirty_pages=(),
    )


def recovery(at_s: float) -> tuple[TimelineItem, ...]:
    """What management does: the destination listens anew, the source resumes."""
    return (
        TimelineItem("migrate-recover", at_s=at_s, side="dest"),
        TimelineItem("migrate", at_s=at_s + 0.001, arguments={"resume": True}),
    )


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


def states(recording: dict) -> list[tuple[int, str]]:
    """Return when the source entered which state, from the first pause on."""
    entered = [
        (int(t), STATES[code]) for t, code in rows(recording, "migrate_set_state")[:, [0, 2]]
    ]
    first = [state for _, state in entered].index("postcopy-paused")
    return entered[first:]


@ENGINES
def test_the_handshake_takes_three_round_trips_and_a_bitmap(run: Run) -> None:
    """Connect, bitmap of 8192 pages: 1024 + 16 + 5 + 6 bytes at 1 MB/s, then the resume."""
    given = plan(TimelineItem("cut", at_s=1.0), *recovery(3.0))
    given = dataclasses.replace(
        given, link_latency_ns=2 * MS, recovery_link_bandwidth_bytes_per_s=1_000_000
    )
    given = dataclasses.replace(given, network=dataclasses.replace(given.network, back_ns=2 * MS))
    entered = states(run(given))
    assert [state for _, state in entered] == [
        "postcopy-paused", "postcopy-recover-setup", "postcopy-recover", "postcopy-active",
        "completed",
    ]  # fmt: skip
    at = [t for t, _ in entered]
    assert at[1] == 3_001 * MS
    assert at[2] - at[1] == given.host.postcopy.connect_ns + 4 * MS
    assert at[3] - at[2] == 4 * MS + (1024 + 16 + 5 + 6) * 1000 + 4 * MS


@ENGINES
@PREEMPT
def test_what_was_on_its_way_is_sent_again_and_nothing_else(run: Run, preempt: bool) -> None:
    """Pages sent in postcopy are those missing at its start and those lost at the cut."""
    recording = run(plan(TimelineItem("cut", at_s=1.0), *recovery(2.0), preempt=preempt))
    missing = recording["rounds"]["remaining_pages"][-1]
    sent = recording["counters"]["normal_pages"] - recording["rounds"]["normal_pages"][-1]
    resumed = rows(recording, "postcopy_pause_continued")[0, 0]
    estimates = rows(recording, "migrate_pending_estimate")
    before = estimates[estimates[:, 0] < resumed][-1, 2] // 4096
    after = estimates[estimates[:, 0] >= resumed][0, 2] // 4096
    passes = recording["iterations"]
    last = passes["normal_pages"][passes["t_ns"] < resumed][-1]
    assert recording["outcome"] == recording["destination_state"] == "completed"
    assert sent - missing == after - (before - last) >= 0
    assert (recording["faults"]["placed_ns"] > 0).all()


@ENGINES
@PREEMPT
def test_an_open_request_is_repeated_first(run: Run, preempt: bool) -> None:
    """A vCPU that waited through the pause is served by the first request after it."""
    recording = run(plan(TimelineItem("cut", at_s=1.0), *recovery(2.0), preempt=preempt))
    faults = recording["faults"]
    waited = (faults["fault_ns"] < 2_000 * MS) & (faults["placed_ns"] > 2_000 * MS)
    assert waited.sum() == 1
    page = int(faults["page"][waited][0])
    asked = rows(recording, "migrate_handle_rp_req_pages")
    resumed = rows(recording, "postcopy_pause_continued")[0, 0]
    first = asked[asked[:, 0] >= resumed][0]
    assert first[3] == page * 4096
    assert faults["placed_ns"][waited][0] - faults["fault_ns"][waited][0] > 900 * MS


@ENGINES
def test_only_the_first_of_two_vcpus_faults_is_seen_while_paused(run: Run) -> None:
    """The fault thread sticks to the fault it cannot send; it sees the next after recovery."""
    cut_at_1 = TimelineItem("cut", at_s=1.0)
    recording = run(plan(cut_at_1, *recovery(2.0), vcpus=4, preempt=True))
    faults = recording["faults"]
    cut, resumed = 1_000 * MS, rows(recording, "postcopy_pause_continued")[0, 0]
    seen_meanwhile = (faults["fault_ns"] > cut) & (faults["fault_ns"] < resumed)
    assert seen_meanwhile.sum() == 1
    assert (faults["fault_ns"] == resumed).sum() >= 1
    asked = rows(recording, "migrate_handle_rp_req_pages")
    assert recording["counters"]["postcopy_requests"] == len(asked)
    assert recording["outcome"] == "completed"


@ENGINES
@pytest.mark.parametrize(
    ("after_s", "passed"),
    [
        (0.0002, ["postcopy-recover-setup"]),
        (0.0016, ["postcopy-recover-setup", "postcopy-recover"]),
    ],
)
def test_a_cut_in_the_handshake_pauses_both_again(
    run: Run, after_s: float, passed: list[str]
) -> None:
    """While connecting or while bitmaps are exchanged: paused, and recoverable once more."""
    again = TimelineItem("cut", at_s=round(2.001 + after_s, 6))
    cut = TimelineItem("cut", at_s=1.0)
    recording = run(plan(cut, *recovery(2.0), again))
    assert [s for _, s in states(recording)] == ["postcopy-paused", *passed, "postcopy-paused"]
    assert recording["outcome"] == recording["destination_state"] == "postcopy-paused"
    recovered = run(plan(cut, *recovery(2.0), again, *recovery(3.0)))
    assert recovered["outcome"] == recovered["destination_state"] == "completed"


@ENGINES
def test_nobody_answers_before_the_destination_listens_again(run: Run) -> None:
    """A resume without migrate-recover fails and leaves the source paused, not failed."""
    cut = TimelineItem("cut", at_s=1.0)
    early = TimelineItem("migrate", at_s=1.5, arguments={"resume": True})
    recording = run(plan(cut, early))
    assert [s for _, s in states(recording)] == [
        "postcopy-paused", "postcopy-recover-setup", "postcopy-paused",
    ]  # fmt: skip
    recovered = run(plan(cut, early, *recovery(2.0)))
    assert recovered["outcome"] == "completed"


@ENGINES
@PREEMPT
def test_cuts_may_come_again_and_again(run: Run, preempt: bool) -> None:
    """Three cuts, one of them while paused already, which changes nothing."""
    items = [TimelineItem("cut", at_s=1.0), TimelineItem("cut", at_s=1.2)]
    for at in (1.5, 2.0, 2.5):
        items += [*recovery(at), TimelineItem("migrate-pause", at_s=at + 0.2)]
    recording = run(plan(*items, *recovery(3.0), preempt=preempt))
    assert [s for _, s in states(recording)].count("postcopy-paused") == 4
    assert recording["outcome"] == recording["destination_state"] == "completed"
    sent = recording["counters"]["normal_pages"] - recording["rounds"]["normal_pages"][-1]
    assert sent >= recording["rounds"]["remaining_pages"][-1]
