"""A scenario with everything resolved: what the engine and its oracle take.

Whole numbers, tuples and arrays only; nothing is optional, nothing is left to decide. Pages are
numbered through all RAM blocks in scan order.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migkit.capabilities import version_numbers
from migkit.errors import NotSimulatedError
from migkit.host import HostProfile
from migkit.phased_workloads import Phases
from migkit.schema import EVENT_CODES, STATES
from migkit.workloads import Workload

if TYPE_CHECKING:
    from migkit.guest import Guest
    from migkit.scenario import Scenario
    from migkit.timeline import TimelineItem

__all__ = ["Plan", "make_plan"]

_INT64_MAX = 2**63 - 1
_FIRST_SECTION_AFTER_RAM = 2


@dataclass(frozen=True, eq=False)
class Plan:
    """Resolved inputs of one simulated migration.

    Attributes
    ----------
    machine_name : str
        Machine type in the stream's configuration section.
    device_state_bytes, vmdesc_bytes : int
        Sections of all devices; the JSON description with its 5-byte header.
    block_names : tuple of str
        RAM blocks in scan order.
    block_id_bytes, block_pages : tuple of int
        Length of each block's id; pages of each block.
    nonzero_extents : tuple of (int, int)
        (First page, count) of pages that hold data, sorted, numbered through all blocks.
    always_dirty_pages : tuple of int
        Pages written without end while the guest runs.
    workload : Workload
        Fitted into the guest. Its pages count from page 0 of the first block.
    workload_lead_ns, workload_busy_ns_per_ms : int
        Guest time the workload has run when time 0 comes; time the vCPU needs for the writes of
        one millisecond, at most 1000000.
    rule_after, has_postcopy_device : bool
        Completion rule since 10.1, not that up to 10.0; the state postcopy-device (since 10.2).
    postcopy_preempt, postcopy_page_hint : bool
        Whether requested pages go out on a channel of their own, and whether the background
        sweep goes on behind them: since 10.1, so not with the older rule.
    detect_zero_pages : bool
        Whether zero pages are looked for.
    postcopy_ram, postcopy_possible, has_return_path, pause_before_switchover, auto_converge : bool
        Capabilities, as far as they decide something; postcopy opens a return path by itself.
    max_bandwidth_bytes_per_s, max_postcopy_bandwidth_bytes_per_s : int
        Limits; 0 is unlimited.
    avail_switchover_bandwidth_bytes_per_s : int
        Assumed bandwidth of the switchover; 0 is the measured one.
    downtime_limit_ms : int
        Downtime limit.
    throttle_trigger_threshold, cpu_throttle_initial, cpu_throttle_increment : int
        Auto-converge, percent; so is ``max_cpu_throttle``, and ``cpu_throttle_tailslow`` a bool.
    timeline : tuple of dict
        Items ordered by time: ``at_ns`` (-1: none), ``at_state`` (code or -1), ``at_event`` (code
        or -1), ``after_ns``, ``command`` (code), ``arguments``, ``to_destination`` (bool).
    iterables : tuple of dict
        ``name``, ``section_id``, ``initial_bytes``, ``chunk_bytes``, ``postcopiable``,
        ``byte_ps``.
    observe_ns : int
        When observation ends; -1: with the migration.
    link_bandwidth_bytes_per_s, recovery_link_bandwidth_bytes_per_s : int
        0 is as fast as the destination takes the pages.
    link_latency_ns, send_buffer_bytes : int
        One way; what the sockets hold.
    seed : int
        Seed of everything random but the workload.
    host : HostProfile
        Costs of the machine.
    limiter_late_ns, noise_key : tuple of int, int
        What the limiter's wake-ups are drawn from, empty without noise; key of those draws.
    """

    machine_name: str
    device_state_bytes: int
    vmdesc_bytes: int
    block_names: tuple[str, ...]
    block_id_bytes: tuple[int, ...]
    block_pages: tuple[int, ...]
    nonzero_extents: tuple[tuple[int, int], ...]
    always_dirty_pages: tuple[int, ...]
    workload: Workload
    workload_lead_ns: int
    workload_busy_ns_per_ms: int
    rule_after: bool
    has_postcopy_device: bool
    detect_zero_pages: bool
    postcopy_ram: bool
    postcopy_possible: bool
    has_return_path: bool
    postcopy_preempt: bool
    postcopy_page_hint: bool
    pause_before_switchover: bool
    auto_converge: bool
    max_bandwidth_bytes_per_s: int
    max_postcopy_bandwidth_bytes_per_s: int
    avail_switchover_bandwidth_bytes_per_s: int
    downtime_limit_ms: int
    throttle_trigger_threshold: int
    cpu_throttle_initial: int
    cpu_throttle_increment: int
    cpu_throttle_tailslow: bool
    max_cpu_throttle: int
    timeline: tuple[dict[str, Any], ...]
    iterables: tuple[dict[str, Any], ...]
    observe_ns: int
    link_bandwidth_bytes_per_s: int
    recovery_link_bandwidth_bytes_per_s: int
    link_latency_ns: int
    send_buffer_bytes: int
    seed: int
    host: HostProfile
    limiter_late_ns: tuple[int, ...]
    noise_key: int


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
        If the scenario asks for capabilities that the engine does not model.
    WorkloadError
        If the workload does not fit the guest.
    """
    missing = scenario.capabilities.not_simulated()
    if missing:
        raise NotSimulatedError(missing)
    host, noise = scenario.host, scenario.host.noise
    late: tuple[int, ...] = ()
    lead_ns, key = 0, 0
    if replicate is not None:
        host = noise.perturbed(host, scenario.seed, replicate)
        lead_ns = noise.lead_ns(scenario.seed, replicate)
        late = noise.late_ns(scenario.seed, replicate)
        key = noise.key(scenario.seed, replicate)
    return Plan(
        **dataclasses.asdict(host.machine),
        **_guest_fields(scenario.guest),
        **_workload_fields(scenario, lead_ns),
        **_capability_fields(scenario),
        **_parameter_fields(scenario),
        timeline=_timeline(scenario.timeline),
        iterables=tuple(
            {**dataclasses.asdict(handler), "section_id": _FIRST_SECTION_AFTER_RAM + index}
            for index, handler in enumerate(scenario.iterables)
        ),
        observe_ns=-1 if scenario.observe_for_s is None else to_ns(scenario.observe_for_s),
        link_bandwidth_bytes_per_s=scenario.link.bandwidth_bytes_per_s,
        recovery_link_bandwidth_bytes_per_s=scenario.link.recovery_bandwidth_bytes_per_s,
        link_latency_ns=scenario.link.latency_ns,
        send_buffer_bytes=scenario.link.send_buffer_bytes,
        seed=scenario.seed,
        host=host,
        limiter_late_ns=late,
        noise_key=key,
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
    }


def _workload_fields(scenario: Scenario, more_lead_ns: int) -> dict[str, Any]:
    workload = scenario.workload.within(scenario.guest.ram_blocks[0].pages)
    write_ns = scenario.host.guest_write_ns
    busy_ns = int(_fastest_rate(workload) * write_ns / 1000)
    return {
        "workload": workload,
        "workload_lead_ns": to_ns(scenario.workload_lead_s) + more_lead_ns,
        "workload_busy_ns_per_ms": min(busy_ns, 1_000_000),
    }


def _fastest_rate(workload: Workload) -> float:
    """Page writes in a second of the busiest phase."""
    if isinstance(workload, Phases):
        return max(phase.workload.rate_pages_per_s for phase in workload.phases)
    return workload.rate_pages_per_s


def _capability_fields(scenario: Scenario) -> dict[str, Any]:
    on = scenario.capabilities
    after = scenario.completion_rule == "after"
    version = version_numbers(scenario.qemu_version)
    preempt = "postcopy-preempt" in on
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
    }


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
        "detect_zero_pages": values.zero_page_detection != "none",
        "downtime_limit_ms": values.downtime_limit_ms,
        "throttle_trigger_threshold": values.throttle_trigger_threshold_percent,
        "cpu_throttle_initial": values.cpu_throttle_initial_percent,
        "cpu_throttle_increment": values.cpu_throttle_increment_percent,
        "cpu_throttle_tailslow": values.cpu_throttle_tailslow,
        "max_cpu_throttle": values.max_cpu_throttle_percent,
    }


def _timeline(items: tuple[TimelineItem, ...]) -> tuple[dict[str, Any], ...]:
    records = [
        {
            "at_ns": -1 if item.at_s is None else to_ns(item.at_s),
            "at_state": -1 if item.at_state is None else STATES.index(item.at_state),
            "at_event": -1 if item.at_event is None else EVENT_CODES[item.at_event],
            "after_ns": to_ns(item.after_s),
            "command": item.code,
            "arguments": dict(item.arguments),
            "to_destination": item.side == "dest",
        }
        for item in items
    ]
    return tuple(sorted(records, key=lambda record: record["at_ns"]))
