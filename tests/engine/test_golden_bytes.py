"""Numbers that real QEMUs printed, to the byte, from the engine and from the oracle."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from migkit import _engine, datasets, oracle
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES

MIB = 1 << 20
ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]


def bare_machine(**changes: Any) -> Plan:
    """Machine ``none`` with one 64 MiB block "m0": 48 MiB of data, then 16 MiB of zeros."""
    scenario = Scenario.build(memory="64MiB", bandwidth="20MiB/s", observe_for="20s")
    plain: dict[str, Any] = {
        "block_names": ("m0",),
        "block_id_bytes": (2,),
        "block_pages": (16384,),
        "nonzero_extents": ((0, 12288),),
        "always_dirty_pages": (),
        "machine_name": "none",
        "device_state_bytes": 186,
        "vmdesc_bytes": 799,
    }
    return dataclasses.replace(make_plan(scenario), **{**plain, **changes})


def captured_guest(bandwidth: int, **capabilities: bool) -> Plan:
    """The guest of the captures, idle, with another bandwidth limit."""
    scenario = Scenario.from_capture(datasets.capture_folder("idle"))
    limits = scenario.parameters.replace(max_bandwidth_bytes_per_s=bandwidth)
    named = {name.replace("_", "-"): on for name, on in capabilities.items()}
    return make_plan(
        dataclasses.replace(
            scenario,
            parameters=limits,
            capabilities=type(scenario.capabilities).from_qmp(named),
            observe_for_s=1.0,
        )
    )


@ENGINES
def test_golden_rate_limited_run(run: Run) -> None:
    """64 MiB at 20 MiB/s: every window, threshold, counter and the number of passes."""
    recording = run(bare_machine())
    counters = recording["counters"]
    windows = recording["windows"]
    assert windows["transferred_bytes"][0] == 2101330
    assert set(windows["transferred_bytes"][1:].tolist()) == {2101266}
    assert windows["threshold_size_bytes"][0] == 6303990
    exact = windows["time_spent_ms"] == 100
    assert set(windows["threshold_size_bytes"][1:][exact[1:]].tolist()) == {6303798}
    assert counters["precopy_bytes"] == 50467019 == 12288 * 4104 + 4096 * 9 + 3 + 25 * 8
    assert counters["downtime_bytes"] == 0
    assert counters["dirty_sync_count"] == 3
    assert counters["normal_pages"] == 12288
    assert counters["duplicate_pages"] == 4096
    parts = recording["events"][:, 1] == EVENT_CODES["savevm_section_start"]
    assert parts.sum() == 25 + 1  # and the END section
    assert counters["total_time_ms"] == pytest.approx(2416, abs=15)


@ENGINES
def test_golden_zero_pages_fit_one_pass(run: Run) -> None:
    """Never dirtied and quickly sent: two syncs, for the estimate is 0 before a window closes."""
    plan = bare_machine(nonzero_extents=(), max_bandwidth_bytes_per_s=134217728)
    plan = dataclasses.replace(plan, block_names=("ram",), block_id_bytes=(3,))
    counters = run(plan)["counters"]
    assert counters["duplicate_pages"] == 16384
    assert counters["precopy_bytes"] == 16384 * 9 + 4 + 8
    assert counters["dirty_sync_count"] == 2
    # Header, configuration and START section are 62 bytes up to the first flush.
    framing = 62 + 5 + 10 + 5 + 10 + 8
    assert counters["transferred_bytes"] == 147468 + framing + 186 + 1 + 799


@ENGINES
def test_golden_auto_converge_waits_for_the_second_sync(run: Run) -> None:
    """At 307200 B/s one write fills a window; its timer never syncs during the first sweep."""
    scenario = Scenario.build(
        memory="64MiB",
        workload="idle",
        capabilities=["auto-converge"],
        nonzero_percent=100,
        bandwidth=307200,
        observe_for="17s",
    )
    plan = make_plan(scenario)
    plan = dataclasses.replace(
        plan,
        block_names=("m0", *plan.block_names[1:]),
        block_id_bytes=(2, *plan.block_id_bytes[1:]),
    )
    recording = run(plan)
    assert recording["windows"]["transferred_bytes"][0] == 131537
    assert set(recording["windows"]["transferred_bytes"][1:].tolist()) == {131346}
    assert recording["counters"]["dirty_sync_count"] == 1
    assert recording["counters"]["cpu_throttle_percentage"] == 0
    assert recording["counters"]["expected_downtime_ms"] == 300


@ENGINES
@pytest.mark.parametrize(
    ("bandwidth_mib_per_s", "first", "later"),
    [(32, 3423637, 3414546), (64, 6838165, 6829074), (96, 10121365, 10112274)],
)
def test_golden_windows_of_a_pc(
    run: Run, bandwidth_mib_per_s: int, first: int, later: int
) -> None:
    """The windows of a pc with 36 pages of data below 4 MiB, at three bandwidths."""
    windows = run(captured_guest(bandwidth_mib_per_s * MIB))["windows"]["transferred_bytes"]
    assert windows[0] == first
    assert set(windows[1:].tolist()) == {later}


@ENGINES
def test_golden_postcopy_costs_35_bytes_of_commands(run: Run) -> None:
    """OPEN_RETURN_PATH, PING and ADVISE stand in the first window."""
    plan = captured_guest(64 * MIB, postcopy_ram=True)
    assert run(plan)["windows"]["transferred_bytes"][0] == 6838200


@ENGINES
def test_golden_completion_at_exactly_the_threshold(run: Run) -> None:
    """112 pages pending, a threshold of 112 pages: the new rule completes, the old never does.

    The guest writes 112 pages without end; with 1 MiB/s a window is one write of 32 pages.
    """
    scenario = Scenario.build(
        memory="16MiB",
        bandwidth="1MiB/s",
        parameters={"downtime-limit": 1, "avail-switchover-bandwidth": 458752000},
        observe_for="6s",
    )
    plan = dataclasses.replace(
        make_plan(scenario),
        nonzero_extents=((256, 112),),
        always_dirty_pages=tuple(range(256, 256 + 112)),
    )
    after = run(dataclasses.replace(plan, rule_after=True))
    assert after["outcome"] == "completed"
    assert after["counters"]["dirty_sync_count"] == 3
    assert after["counters"]["downtime_bytes"] == 112 * 4104 + 7 == 459655
    assert after["iterations"]["pending_exact_bytes"][-1] == 458752

    before = run(dataclasses.replace(plan, rule_after=False))
    assert before["outcome"] == "active"
    exact = before["iterations"]["pending_exact_bytes"]
    assert set(exact[exact >= 0].tolist()) == {458752}
    estimates = before["iterations"]["pending_estimate_bytes"][exact >= 0]
    assert set(estimates[1:].tolist()) == {327680}  # 32 pages went out since
