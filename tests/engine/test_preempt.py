"""Postcopy's second channel by hand: latency, bytes, the page hint, and what a cut loses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migkit import _engine, datasets, oracle, simulate
from migkit.parameters.capabilities import Capabilities
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.schema import EVENT_CODES

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]


def one_block(*, preempt: bool = True, **values: Any) -> Plan:
    """A 32 MiB guest in one block, all pages with data, in postcopy at 2 MiB/s after 0.35 s."""
    given = {
        "memory": "32MiB",
        "workload": "uniform:500",
        "bandwidth": "20MiB/s",
        "postcopy_bandwidth": "2MiB/s",
        "postcopy_at": "350ms",
        "rule": "after",
        **values,
    }
    plan = make_plan(Scenario.build(**given))
    return dataclasses.replace(
        plan,
        postcopy_preempt=preempt,
        postcopy_page_hint=preempt and plan.has_postcopy_device,
        block_names=("pc.ram",),
        block_id_bytes=(6,),
        block_pages=(8192,),
        nonzero_extents=((0, 8192),),
        always_dirty_pages=(),
    )


def at_once(plan: Plan) -> Plan:
    """The same with a transport that holds nothing back, and processors enough at the end."""
    costs = dataclasses.replace(plan.host.postcopy, delayed_ack_ns=0, urgent_place_ns=0)
    return dataclasses.replace(plan, host=dataclasses.replace(plan.host, postcopy=costs))


def times(recording: dict, event: str) -> np.ndarray:
    """Return when events of one name were recorded."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event], 0]


def asked_and_sent(recording: dict) -> np.ndarray:
    """Tell for each fault whether a request sent its page."""
    return recording["faults"]["sent_ns"] >= 0


@ENGINES
def test_a_request_is_answered_past_limiter_and_backlog(run: Run) -> None:
    """Request, link, one page, link, placing: 83,400 ns; without preempt, up to a whole window."""
    plan = at_once(one_block())
    host = plan.host
    recording = run(plan)
    faults = recording["faults"]
    sent = asked_and_sent(recording)
    latency = (faults["placed_ns"] - faults["fault_ns"])[sent]
    by_hand = (
        host.postcopy.request_ns
        + 2 * plan.link_latency_ns
        + host.normal_page_ns
        + host.write_ns
        + host.place_page_ns
    )
    assert sent.sum() > 50
    assert (latency == by_hand).all()
    vanilla = run(at_once(one_block(preempt=False)))["faults"]
    assert np.median(vanilla["placed_ns"] - vanilla["fault_ns"]) > 100 * by_hand


@ENGINES
def test_every_missing_page_arrives_once_and_every_byte_counts(run: Run) -> None:
    """Records of 4,104 bytes, the block's name once a channel, 8 bytes a section."""
    recording = run(one_block())
    missing = recording["rounds"]["remaining_pages"][-1]
    counters = recording["counters"]
    sent_before = recording["rounds"]["normal_pages"][-1]
    assert recording["outcome"] == "completed"
    assert counters["normal_pages"] - sent_before == missing
    assert counters["duplicate_pages"] == 0
    assert asked_and_sent(recording).sum() > 0
    start, end = times(recording, "postcopy_start")[0], times(recording, "ram_save_complete")[0]
    sections = times(recording, "savevm_section_start")
    # The section open at the end is the END one, whose mark QEMU does not count.
    parts = ((sections > start) & (sections < end)).sum() - 1
    assert counters["postcopy_bytes"] == missing * (8 + 4096) + 2 * (1 + 6) + 8 * parts


@ENGINES
def test_urgent_pages_count_in_the_window(run: Run) -> None:
    """Urgent pages pass the limiter but not the books: windows beyond their budget."""
    fast, slow = run(one_block(workload="uniform:2000")), run(one_block(workload="idle"))
    start = times(fast, "postcopy_start")[0]
    budget = 2 * 1024 * 1024 // 10
    windows = fast["windows"]
    full = windows["transferred_bytes"][windows["t_ns"] > start + 200_000_000]
    assert full.max() > 2 * budget
    calm = slow["windows"]
    calm_start = times(slow, "postcopy_start")[0]
    assert calm["transferred_bytes"][calm["t_ns"] > calm_start + 200_000_000].max() < 2 * budget
    assert fast["counters"]["total_time_ms"] < slow["counters"]["total_time_ms"]


@ENGINES
def test_the_sweep_goes_on_behind_an_urgent_page_since_the_hint(run: Run) -> None:
    """A sequential writer faults at every page it outruns the sweep to, but for the hint."""
    values = {
        "workload": "sequential:5000",
        "postcopy_bandwidth": "0",
        "bandwidth": "4MiB/s",
        "workload_lead": "1100ms",
    }
    hinted = one_block(**values)
    plain = dataclasses.replace(hinted, postcopy_page_hint=False)
    asked = [run(plan)["counters"]["postcopy_requests"] for plan in (hinted, plain)]
    assert 0 < 3 * asked[0] < asked[1]


def test_releases_without_the_hint() -> None:
    """The hint came with 10.1, together with the newer completion rule."""

    def hint(version: str, rule: str = "after") -> bool:
        scenario = Scenario.build(memory="32MiB", qemu_version=version, rule=rule)
        on = Capabilities(("postcopy-ram", "postcopy-preempt"))
        return make_plan(dataclasses.replace(scenario, capabilities=on)).postcopy_page_hint

    assert hint("10.1.0")
    assert hint("10.2.2")
    assert not hint("10.0.13")
    assert not hint("10.2.2", "before")


@ENGINES
def test_the_channel_is_opened_while_the_guest_still_runs(run: Run) -> None:
    """A round trip and the connection come before postcopy_start, not into the downtime."""
    plan, vanilla = one_block(), one_block(preempt=False)
    with_it, without = run(plan), run(vanilla)
    cost = plan.host.preempt_channel_ns + 2 * plan.link_latency_ns
    opened = times(with_it, "postcopy_preempt_new_channel")
    assert len(opened) == 1
    later = times(with_it, "postcopy_start")[0] - times(without, "postcopy_start")[0]
    assert later == cost
    assert opened[0] < times(with_it, "vmstate_downtime_checkpoint")[0]
    assert len(times(without, "postcopy_preempt_new_channel")) == 0


@ENGINES
def test_a_cut_while_the_channel_opens_leaves_the_guest_where_it_is(run: Run) -> None:
    """Nothing was stopped yet: failed, and the guest never paused."""
    opened = times(run(one_block()), "postcopy_preempt_new_channel")[0]
    cut = TimelineItem("cut", at_s=(opened - 1000) / 1e9)
    recording = run(one_block(timeline=(cut,)))
    assert recording["outcome"] == "failed"
    assert len(times(recording, "postcopy_start")) == 0
    assert len(times(recording, "migration_completion_vm_stop")) == 0


@ENGINES
def test_a_page_that_was_asked_for_waits_for_a_processor_while_the_main_channel_is_busy(
    run: Run,
) -> None:
    """By hand: 2.2 ms more where pages of the main channel are on their way, else none."""
    plan = one_block(postcopy_bandwidth=0, workload="uniform:20000")
    quick = at_once(plan)
    costs = dataclasses.replace(quick.host.postcopy, urgent_place_ns=2_200_000)
    slow = dataclasses.replace(quick, host=dataclasses.replace(quick.host, postcopy=costs))
    waits = {}
    for name, asked in (("quick", quick), ("slow", slow)):
        faults = run(asked)["faults"]
        sent = faults["sent_ns"] >= 0
        waits[name] = (faults["placed_ns"] - faults["sent_ns"])[sent]
    assert len(waits["slow"]) > 0
    assert waits["slow"].max() == waits["quick"].min() + 2_200_000


@ENGINES
def test_a_paused_migration_recovers_with_a_channel_of_its_own(run: Run) -> None:
    """What was on either channel at the cut is sent again, and no more than that."""
    timeline = (
        TimelineItem("cut", at_s=1.5),
        TimelineItem("migrate-recover", at_s=2, side="dest"),
        TimelineItem("migrate", at_s=2.001, arguments={"resume": True}),
    )
    recording = run(one_block(timeline=timeline))
    missing = recording["rounds"]["remaining_pages"][-1]
    sent = recording["counters"]["normal_pages"] - recording["rounds"]["normal_pages"][-1]
    assert recording["outcome"] == "completed"
    assert len(times(recording, "postcopy_preempt_new_channel")) == 2
    assert missing <= sent < missing + 200


def test_recorded_preempt_run_is_met() -> None:
    """The recorded run: precopy bytes exact, postcopy bytes and total time within a hundredth.

    Its requests are as many as there is time for: each waits for a processor of the destination.
    """
    recorded = datasets.load_capture("postcopy-preempt")
    folder = datasets.capture_folder("postcopy-preempt")
    twin = simulate(Scenario.from_capture(folder))
    real, ours = recorded.summary["ram"], twin.summary["ram"]
    assert ours["precopy-bytes"] == real["precopy-bytes"]
    assert ours["postcopy-bytes"] == pytest.approx(real["postcopy-bytes"], rel=0.001)
    again = json.loads((folder / "repeats.json").read_text())
    totals = [recorded.summary["total-time"], *(run["total_time_ms"] for run in again)]
    assert twin.summary["total-time"] == pytest.approx(np.median(totals), rel=0.01)
    assert len(twin.faults) == pytest.approx(len(recorded.faults), rel=0.25)
