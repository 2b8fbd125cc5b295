"""Capabilities that follow the guest's memory: background-snapshot and release-ram."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from migkit import _engine, oracle
from migkit.guest import Guest
from migkit.guest.ram_block import RamBlock
from migkit.host.snapshot_costs import SnapshotCosts
from migkit.host.storage import Storage
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES, REPLIES, STATES
from migkit.workloads import Sequential
from tests.engine.strategies import plans

MIB = 1 << 20
ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
COSTS = SnapshotCosts(
    populate_page_ps=0,
    protect_ns=0,
    protect_page_ps=0,
    resume_ns=0,
    poll_ns=1_000,
    fault_ns=5_000,
    unprotect_ns=2_000,
    wake_ns=3_000,
)


def snapshot(**changes: Any) -> Plan:
    """1024 pages of data; from the stop on the guest writes a page a millisecond, from 900 on."""
    scenario = Scenario.build(
        memory="4MiB",
        workload=Sequential(rate_pages_per_s=1000, base_page=900, pages=100, batch_ms=1),
        transport="file",
        capabilities=["background-snapshot"],
    )
    guest = Guest(4 * MIB, (RamBlock("ram", 4 * MIB, ((0, 1024),)),))
    host = dataclasses.replace(
        scenario.host,
        normal_page_ns=10_000,
        thread_start_ns=0,
        setup_ns=0,
        vm_stop_ns=0,
        device_state_ns=0,
        pass_ns=0,
        section_ns=0,
        sweep_ns=0,
        storage=Storage(write_ns=0, byte_ps=0, scattered_write_ns=0),
        snapshot=COSTS,
    )
    return make_plan(dataclasses.replace(scenario, guest=guest, host=host, **changes))


@ENGINES
def test_a_write_to_an_unsaved_page_waits_until_it_is_saved(run: Any) -> None:
    """By hand: 13 us a page; the fault of 1 ms can be read at 1.005, its page is next."""
    recording = run(snapshot())
    faults = recording["faults"]
    assert faults["page"][0] == 900
    assert faults["fault_ns"][0] == 1_000_000
    assert faults["request_ns"][0] == 1_005_000
    # Polls come at 13 k + 1 us: the first at or after 1.005 ms is that of k = 78, at 1.015 ms.
    assert faults["sent_ns"][0] == 1_015_000
    assert faults["placed_ns"][0] == 1_015_000 + 10_000 + 2_000
    # The sweep goes on behind page 900, so the guest's next pages are saved before it comes.
    assert len(faults["page"]) == 1


@ENGINES
def test_a_snapshot_sends_each_page_once_and_its_devices_twice(run: Any) -> None:
    """No dirty log, no limit, no END section; states setup, active, completed."""
    plan = snapshot()
    recording = run(plan)
    counters = recording["counters"]
    codes = recording["events"][:, 1]
    states = recording["events"][codes == EVENT_CODES["migrate_set_state"], 2]
    assert [STATES[state] for state in states] == ["setup", "active", "completed"]
    assert counters["dirty_sync_count"] == 0
    assert counters["normal_pages"] == 1024
    assert counters["duplicate_pages"] == 0
    buffer_bytes = plan.device_state_bytes + 1 + plan.vmdesc_bytes
    assert counters["snapshot_buffer_bytes"] == buffer_bytes
    framing = 13 + len(plan.machine_name) + 17 + 8 + 12 + 8 + 5 + 10  # "ram" is 1 + 3 + 8 bytes
    ram_bytes = 1024 * 4104 + 4 + 8
    assert counters["precopy_bytes"] + counters["downtime_bytes"] == ram_bytes
    assert counters["transferred_bytes"] == framing + ram_bytes + 2 * buffer_bytes
    assert counters["file_bytes"] == framing + ram_bytes + buffer_bytes
    assert np.count_nonzero(codes == EVENT_CODES["savevm_command_send"]) == 0


@ENGINES
def test_pages_saved_before_the_guest_goes_on_are_downtime_bytes(run: Any) -> None:
    """The guest goes on 1 ms later: 76 pages of 13 us by then, and the one on its way."""
    plan = snapshot()
    costs = dataclasses.replace(COSTS, resume_ns=1_000_000)
    counters = run(dataclasses.replace(plan, snapshot=costs))["counters"]
    assert counters["downtime_ms"] == 1
    # Page k is polled for at 13 k + 1 us; those polled for before 1 ms count: k = 0 ... 76.
    assert counters["downtime_bytes"] == 77 * 4104 + 4


@ENGINES
def test_a_snapshot_of_mapped_ram_lacks_its_bitmaps(run: Any) -> None:
    """QEMU writes them with the END section, which a snapshot has not."""
    scenario = Scenario.build(
        memory="64MiB", transport="file", capabilities=["background-snapshot", "mapped-ram"]
    )
    recording = run(make_plan(scenario))
    counters = recording["counters"]
    marks = 8 * len(recording["iterations"]["t_ns"])
    ram_bytes = counters["precopy_bytes"] + counters["downtime_bytes"]
    assert ram_bytes == counters["normal_pages"] * 4096 + marks


@SETTINGS
@given(plan=plans())
def test_a_snapshot_saves_every_page_before_the_guest_writes_it(plan: Plan) -> None:
    """Each page goes once; faults are in order, and none is answered before it was there."""
    assume(plan.snapshot is not None)
    recording = _engine.run(plan)
    counters = recording["counters"]
    faults = recording["faults"]
    assert (faults["placed_ns"] >= faults["fault_ns"]).all()
    read = faults["sent_ns"] >= 0
    assert (faults["sent_ns"][read] >= faults["request_ns"][read]).all()
    assert len(set(faults["page"].tolist())) == len(faults["page"])
    sent = counters["normal_pages"] + counters["duplicate_pages"]
    if counters["status"] == "completed":
        assert sent * 4096 == counters["total_bytes"]
    assert counters["dirty_sync_count"] == 0


@SETTINGS
@given(plan=plans())
def test_a_completed_postcopy_has_given_back_all_memory(plan: Plan) -> None:
    """release-ram: each page goes once, at the switch or as it is sent; before, none."""
    recording = _engine.run(plan)
    released = recording["counters"]["released_pages"]
    switched = (recording["events"][:, 1] == EVENT_CODES["postcopy_start_set_run"]).any()
    if plan.release is None or not switched:
        assert released == 0
    elif recording["outcome"] == "completed":
        assert released == sum(plan.block_pages)


@ENGINES
def test_a_paused_guest_faults_nowhere_in_postcopy(run: Any) -> None:
    """What was paused stays paused on the destination; its RAM bytes are downtime and postcopy."""
    scenario = Scenario.build(
        memory="16MiB",
        workload="uniform:5000",
        bandwidth="20MiB/s",
        postcopy_at="0.1s",
        runstate="paused",
    )
    recording = run(make_plan(scenario))
    assert recording["outcome"] == "completed"
    assert len(recording["faults"]["page"]) == 0
    assert recording["counters"]["precopy_bytes"] == 0
    assert recording["counters"]["postcopy_bytes"] > 0


@ENGINES
def test_what_was_given_back_cannot_be_recovered(run: Any) -> None:
    """release-ram: QEMU refuses to resume, and the migration stays paused."""
    scenario = Scenario.build(
        memory="64MiB",
        workload="uniform:500",
        bandwidth="20MiB/s",
        postcopy_bandwidth="2MiB/s",
        postcopy_at="0.5s",
        capabilities=["release-ram"],
        timeline=[
            {"command": "cut", "at": "1s"},
            {"command": "migrate-recover", "at": "2s", "side": "dest"},
            {"command": "migrate", "at": "3s", "arguments": {"resume": True}},
        ],
    )
    recording = run(make_plan(scenario))
    assert recording["outcome"] == recording["destination_state"] == "postcopy-paused"
    told = REPLIES[recording["commands"]["reply"][-1]]
    assert told == "Postcopy recovery cannot work when release-ram capability is set"
