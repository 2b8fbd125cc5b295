"""A plan: everything resolved, pages numbered through all blocks."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings

from inputs.strategies import scenarios
from migkit import datasets
from migkit.errors import NotSimulatedError
from migkit.parameters.capabilities import SIMULATED, Capabilities
from migkit.plan import make_plan
from migkit.scenario import Scenario


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_nothing_is_left_open(scenario):
    modelled = Capabilities(name for name in scenario.capabilities if name in SIMULATED)
    plan = make_plan(dataclasses.replace(scenario, capabilities=modelled))
    guest = scenario.guest
    assert sum(plan.block_pages) == guest.total_pages
    assert sum(count for _, count in plan.nonzero_extents) == sum(
        block.nonzero_pages for block in guest.ram_blocks
    )
    assert list(plan.nonzero_extents) == sorted(plan.nonzero_extents)
    assert plan.block_id_bytes == tuple(len(name.encode()) for name in plan.block_names)
    assert plan.workload == scenario.workload.within(guest.ram_blocks[0].pages)
    assert 0 <= plan.max_bandwidth_bytes_per_s < 2**63
    assert len(plan.timeline) == len(scenario.timeline)
    for item in plan.timeline:
        assert sum((item["at_ns"] >= 0, item["at_state"] >= 0, item["at_event"] >= 0)) == 1
    fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    assert {name for name, value in fields.items() if value is None} <= {
        "dirty_limit",
        "multifd",
        "release",
        "snapshot",
        "target",
        "xbzrle",
    }


def test_a_capture_resolved(capture_folder):
    plan = make_plan(Scenario.from_capture(capture_folder("postcopy-uniform-before")))
    assert plan.block_pages == (131072, 32, 64, 32, 1, 1)
    assert plan.block_id_bytes == (6, 20, 7, 6, 21, 18)
    assert (1024, 100000) in plan.nonzero_extents
    assert plan.nonzero_extents[-1] == (131201, 1)
    assert not plan.rule_after
    assert plan.has_postcopy_device
    assert plan.postcopy_ram
    assert plan.has_return_path
    assert plan.timeline == (
        {
            "at_ns": 3_036_000_000,
            "at_state": -1,
            "at_event": -1,
            "after_ns": 0,
            "command": 0,
            "arguments": {},
            "asked_state": 13,
            "to_destination": False,
        },
    )
    assert plan.workload_lead_ns == 1_020_000_000
    assert plan.observe_ns == -1


def test_old_qemu_has_no_postcopy_device(capture_folder):
    plan = make_plan(Scenario.from_capture(capture_folder("v10.0-postcopy-uniform")))
    assert not plan.has_postcopy_device


@pytest.mark.parametrize("name", datasets.scenario_names())
def test_shipped_scenarios_can_be_simulated(name):
    plan = make_plan(Scenario.from_file(datasets.scenario_file(name)))
    assert plan.observe_ns > 0


def test_timeline_is_ordered_by_time():
    orders = [{"command": "cut", "at_s": 3}, {"command": "migrate_cancel", "at_s": 1}]
    plan = make_plan(Scenario.build(memory="1MiB", timeline=orders))
    assert [item["at_ns"] for item in plan.timeline] == [10**9, 3 * 10**9]


def test_handlers_get_the_sections_after_ram():
    rows = [{"name": name, "initial_bytes": 5} for name in ("a", "b")]
    plan = make_plan(Scenario.build(memory="1MiB", iterables=rows))
    assert [row["section_id"] for row in plan.iterables] == [2, 3]


def test_what_is_not_modelled_is_named():
    scenario = Scenario.build(memory="1MiB", capabilities=["x-colo", "events"])
    with pytest.raises(NotSimulatedError, match="x-colo") as caught:
        make_plan(scenario)
    assert caught.value.capabilities == ("x-colo",)


@pytest.mark.parametrize("mode", ["cpr-reboot", "cpr-transfer"])
def test_a_mode_that_is_not_modelled_is_named(mode):
    scenario = Scenario.build(memory="1MiB", parameters={"mode": mode})
    with pytest.raises(NotSimulatedError, match=f"simulate with mode {mode}"):
        make_plan(scenario)


def test_vcpus_share_the_work():
    alone, shared = (
        make_plan(
            Scenario.build(
                memory="64MiB", workload="uniform:400000", vcpus=vcpus, accelerator="kvm"
            )
        )
        for vcpus in (1, 4)
    )
    assert (alone.vcpus, shared.vcpus) == (1, 4)
    # 400,000 writes a second of 3 us each: too much for one vCPU, not for four.
    assert (alone.dirty_log.executed, shared.dirty_log.executed) == (True, False)


@pytest.mark.parametrize(
    ("accelerator", "mode", "rest"),
    [
        ("tcg", 0, {"executed": False, "write_ns": 1000, "first_write_ns": 9000}),
        ("kvm,manual-protect=off", 1, {"write_ns": 1000, "first_write_ns": 2000}),
        ("kvm,x-clear-bitmap-shift=9", 2, {"clear_shift": 9, "initially_set": True}),
        ("kvm,initially-set=off", 2, {"initially_set": False, "ring_entries": 0}),
        ("kvm,dirty-ring-size=4096", 3, {"ring_entries": 4096, "ring_limit": 3520}),
        ("kvm,dirty-ring-size=4096", 3, {"executed": True, "initially_set": False}),
    ],
)
def test_how_the_dirty_log_works(accelerator, mode, rest):
    log = make_plan(Scenario.build(memory="1MiB", accelerator=accelerator)).dirty_log
    assert log.mode == mode
    assert {name: getattr(log, name) for name in rest} == rest
    assert (log.log_call_ns > 0) == (mode > 0)


def test_who_clears_to_the_end():
    versions = {"10.0.13": True, "10.1.0": False, "10.2.2": False}
    for version, clears in versions.items():
        plan = make_plan(Scenario.build(memory="1MiB", qemu_version=version))
        assert plan.dirty_log.clears_to_the_end == clears


def test_dirty_limit_is_resolved():
    plan = make_plan(
        Scenario.build(
            memory="1MiB",
            accelerator="kvm,dirty-ring-size=1024",
            capabilities=["dirty-limit"],
            parameters={"vcpu-dirty-limit": 2**40, "x-vcpu-dirty-limit-period": 500},
        )
    )
    assert plan.dirty_limit.quota_mb_per_s == 2**31 - 1
    assert plan.dirty_limit.period_ms == 500
    assert make_plan(Scenario.build(memory="1MiB")).dirty_limit is None
