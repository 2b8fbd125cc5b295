"""From a scenario to its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migkit.errors import NotSimulatedError
from migkit.host.devices import with_plugged
from migkit.parameters.capabilities import version_numbers
from migkit.parameters.sync_rules import sync_rules
from migkit.plan.changes import changed_value, parameter_changes
from migkit.plan.content import plan_content
from migkit.plan.dirty_log import dirty_limit_plan, dirty_log_plan
from migkit.plan.draw import drawn
from migkit.plan.handlers import acks_needed, handler_fields, type_version
from migkit.plan.multifd import multifd_plan
from migkit.plan.network import Network, link_changes
from migkit.plan.postcopy import PostcopyPlan
from migkit.plan.record import Plan
from migkit.plan.target import host_with_target, target_fields, target_link
from migkit.plan.xbzrle import plan_xbzrle
from migkit.scenario.timeline import COMMANDS
from migkit.schema import EVENT_CODES, STATES

if TYPE_CHECKING:
    from migkit.guest import Guest
    from migkit.network.link import Link
    from migkit.scenario import Scenario
    from migkit.scenario.timeline import TimelineItem

__all__ = ["make_plan"]

_INT64_MAX = 2**63 - 1
_LINK_CHANGE = COMMANDS.index("link-change")
_SET_PARAMETERS = COMMANDS.index("migrate-set-parameters")


def make_plan(scenario: Scenario, replicate: int | None = None) -> Plan:
    """Resolve a scenario.

    Parameters
    ----------
    scenario : Scenario
        Checked when it was made.
    replicate : int, optional
        Which draw of the host profile's noise; without it, there is none.

    Returns
    -------
    Plan
        What the engine takes.

    Raises
    ------
    NotSimulatedError
        If the scenario asks for capabilities, or a ``mode``, that the engine does not model.
    WorkloadError
        If the workload does not fit the guest.
    """
    missing = scenario.capabilities.not_simulated()
    if scenario.parameters.mode != "normal":
        missing += (f"mode {scenario.parameters.mode}",)
    if missing:
        raise NotSimulatedError(missing)
    late: tuple[int, ...] = ()
    key = 0
    if replicate is not None:
        noise = scenario.host.noise
        late = noise.late_ns(scenario.seed, replicate)
        key = noise.key(scenario.seed, replicate)
        scenario = drawn(scenario, replicate)
    workload = _workload_fields(scenario)
    host = host_with_target(scenario.contention.on(with_plugged(scenario.host)), scenario)
    return Plan(
        machine_name=host.machine.machine_name,
        device_state_bytes=host.machine.device_state_bytes,
        early_device_state_bytes=host.machine.early_device_state_bytes,
        **target_fields(scenario, host),
        **_link_fields(scenario),
        **_guest_fields(scenario.guest),
        **workload,
        **_capability_fields(scenario),
        postcopy=_postcopy(scenario, replicate is not None),
        **_parameter_fields(scenario),
        xbzrle=plan_xbzrle(scenario),
        iterables=handler_fields(scenario.iterables),
        observe_ns=-1 if scenario.observe_for_s is None else to_ns(scenario.observe_for_s),
        seed=scenario.seed,
        host=host,
        limiter_late_ns=late,
        noise_key=key,
        multifd=multifd_plan(scenario, replicate, workload["content"].class_bytes),
    )


def to_ns(seconds: float) -> int:
    """Turn seconds into whole nanoseconds, rounded to the nearest.

    Parameters
    ----------
    seconds : float
        Seconds, 0 or more.

    Returns
    -------
    int
        Nanoseconds.

    Examples
    --------
    >>> to_ns(3.0084)
    3008400000
    """
    return round(seconds * 1_000_000_000)


def _link_fields(scenario: Scenario) -> dict[str, Any]:
    """Return the link's values; those of a file are its disk's."""
    link = target_link(scenario)
    return {
        "timeline": _timeline(scenario.timeline, link),
        "link_bandwidth_bytes_per_s": link.carries,
        "recovery_link_bandwidth_bytes_per_s": link.carries_after_recovery,
        "link_latency_ns": link.latency_ns,
        "network": Network.of(link, scenario.seed),
        "send_buffer_bytes": link.send_buffer_bytes,
    }


def _guest_fields(guest: Guest) -> dict[str, Any]:
    extents = []
    start = 0
    for block in guest.ram_blocks:
        extents += [(start + first, count) for first, count in block.nonzero]
        start += block.pages
    return {
        "block_names": tuple(block.name for block in guest.ram_blocks),
        "block_id_bytes": tuple(len(block.name.encode()) for block in guest.ram_blocks),
        "block_pages": tuple(block.pages for block in guest.ram_blocks),
        "nonzero_extents": tuple(extents),
        "always_dirty_pages": guest.always_dirty_pages,
        "vcpus": guest.vcpus,
    }


def _workload_fields(scenario: Scenario) -> dict[str, Any]:
    workload = scenario.workload.within(scenario.guest.ram_blocks[0].pages)
    return {
        "workload": workload,
        "content": plan_content(scenario.guest, workload),
        "workload_lead_ns": to_ns(scenario.workload_lead_s),
        "dirty_log": dirty_log_plan(scenario),
        "dirty_limit": dirty_limit_plan(scenario),
    }


def _capability_fields(scenario: Scenario) -> dict[str, Any]:
    on = scenario.capabilities
    after = scenario.completion_rule == "after"
    version = version_numbers(scenario.qemu_version)
    syncs = sync_rules(scenario.qemu_version, on)
    preempt = "postcopy-preempt" in on
    devices = acks_needed(scenario)
    postcopy_possible = "postcopy-ram" in on or "dirty-bitmaps" in on
    return {
        "rule_after": after,
        "has_postcopy_device": version >= (10, 2),
        "postcopy_ram": "postcopy-ram" in on,
        "postcopy_possible": postcopy_possible,
        "postcopy_preempt": preempt,
        "postcopy_page_hint": preempt and after and version >= (10, 1),
        "has_return_path": "postcopy-ram" in on or "return-path" in on,
        "pause_before_switchover": "pause-before-switchover" in on,
        "auto_converge": "auto-converge" in on,
        "images_locked": scenario.images_locked,
        "switchover_ack": "switchover-ack" in on,
        "awaits_ack": "switchover-ack" in on and (devices > 0 or type_version(scenario) < (11, 1)),
        "acks_needed": devices,
        "completes_all": version >= (10, 1),
        "exact_each_pass": syncs.exact_each_pass,
        "counts_last_sync": syncs.counts_last_sync,
        "restarts_blindly": version < (10, 1),
    }


def _postcopy(scenario: Scenario, clock_drawn: bool) -> PostcopyPlan:
    return PostcopyPlan(
        blocktime="postcopy-blocktime" in scenario.capabilities,
        blocktime_in_ns=version_numbers(scenario.qemu_version) >= (10, 1),
        clock_drawn=clock_drawn,
    )


def _parameter_fields(scenario: Scenario) -> dict[str, Any]:
    values = scenario.parameters
    bandwidths = {
        name: min(getattr(values, name), _INT64_MAX)
        for name in (
            "max_bandwidth_bytes_per_s",
            "max_postcopy_bandwidth_bytes_per_s",
            "avail_switchover_bandwidth_bytes_per_s",
        )
    }
    return {
        **bandwidths,
        "zero_page_detection": changed_value("zero-page-detection", values.zero_page_detection),
        "downtime_limit_ms": values.downtime_limit_ms,
        "throttle_trigger_threshold": values.throttle_trigger_threshold_percent,
        "cpu_throttle_initial": values.cpu_throttle_initial_percent,
        "cpu_throttle_increment": values.cpu_throttle_increment_percent,
        "cpu_throttle_tailslow": values.cpu_throttle_tailslow,
        "max_cpu_throttle": values.max_cpu_throttle_percent,
    }


def _timeline(items: tuple[TimelineItem, ...], link: Link) -> tuple[dict[str, Any], ...]:
    records: list[dict[str, Any]] = [
        {
            "at_ns": -1 if item.at_s is None else to_ns(item.at_s),
            "at_state": -1 if item.at_state is None else STATES.index(item.at_state),
            "at_event": -1 if item.at_event is None else EVENT_CODES[item.at_event],
            "after_ns": to_ns(item.after_s),
            "command": item.code,
            "arguments": dict(item.arguments),
            "asked_state": STATES.index(item.arguments.get("state", "pre-switchover")),
            "to_destination": item.side == "dest",
        }
        for item in items
    ]
    records.sort(key=lambda record: record["at_ns"])
    for record in records:
        if record["command"] == _LINK_CHANGE:
            link, record["arguments"] = link_changes(link, record["arguments"])
        elif record["command"] == _SET_PARAMETERS:
            record["arguments"] = parameter_changes(record["arguments"])
    return tuple(records)
