"""What a file as target, and capabilities that follow the guest's memory, come down to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migkit.network.link import Link
from migkit.schema import RUN_STATES

if TYPE_CHECKING:
    from migkit.host import HostProfile
    from migkit.scenario import Scenario

__all__ = ["TargetPlan", "host_with_target", "target_fields", "target_link"]

_SUBSECTION = "configuration/capabilities"
_LISTED = ("x-ignore-shared", "mapped-ram")
"""Capabilities that the stream's configuration names, in QEMU's order (savevm.c)."""


@dataclass(frozen=True)
class TargetPlan:
    """A target that is no destination: a file, or a command's standard input.

    Attributes
    ----------
    offset_bytes : int
        Where the stream begins in the file.
    mapped_ram : bool
        Whether each page has its own place in the file.
    byte_ps, scattered_write_ns, cache_bytes : int
        See `migkit.host.storage.Storage`; its other costs stand where a link has them.
    """

    offset_bytes: int
    mapped_ram: bool
    byte_ps: int
    scattered_write_ns: int
    cache_bytes: int


def target_fields(scenario: Scenario, host: HostProfile) -> dict[str, Any]:
    """Return the fields of the plan that depend on target and memory.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    host : HostProfile
        Its host, with the noise of a replicate.

    Returns
    -------
    dict
        Fields of `migkit.plan.Plan` by name.
    """
    on = scenario.capabilities
    blocks = scenario.guest.ram_blocks
    ignore = "x-ignore-shared" in on
    listed = [name for name in _LISTED if name in on]
    return {
        "target": _target(scenario, host),
        "snapshot": host.snapshot if "background-snapshot" in on else None,
        "release": host.release if "release-ram" in on else None,
        "vm_running": scenario.runstate == "running",
        "run_state": RUN_STATES.index(scenario.runstate),
        "lists_addresses": ignore,
        "ignored_blocks": tuple(
            index for index, block in enumerate(blocks) if ignore and block.shared
        ),
        "configuration_bytes": _configuration_bytes(listed),
        "vmdesc_bytes": host.machine.vmdesc_bytes + len(_description(listed)),
    }


def host_with_target(host: HostProfile, scenario: Scenario) -> HostProfile:
    """Return the costs with the file's in place of the destination's.

    Parameters
    ----------
    host : HostProfile
        The machine.
    scenario : Scenario
        Says where the stream goes.

    Returns
    -------
    HostProfile
        The same, unless there is no destination: then nobody places pages.
    """
    if scenario.transport.has_destination:
        return host
    return dataclasses.replace(
        host,
        write_ns=host.storage.write_ns,
        destination_page_ns=0,
        first_touch_page_ns=0,
        destination_zero_page_ns=0,
    )


def target_link(scenario: Scenario) -> Link:
    """Return the link, or the disk that stands in its place.

    Parameters
    ----------
    scenario : Scenario
        Says where the stream goes.

    Returns
    -------
    Link
        Of a file: what its disk takes; the cache before it is the target's.
    """
    if scenario.transport.has_destination:
        return scenario.link
    return Link(bandwidth_bytes_per_s=scenario.host.storage.bandwidth_bytes_per_s)


def _target(scenario: Scenario, host: HostProfile) -> TargetPlan | None:
    if scenario.transport.has_destination:
        return None
    return TargetPlan(
        offset_bytes=scenario.transport.offset_bytes,
        mapped_ram="mapped-ram" in scenario.capabilities,
        byte_ps=host.storage.byte_ps,
        scattered_write_ns=host.storage.scattered_write_ns,
        cache_bytes=host.storage.cache_bytes,
    )


def _configuration_bytes(listed: list[str]) -> int:
    """Size of the configuration's subsection: mark, name, version, count, names."""
    if not listed:
        return 0
    return 1 + 1 + len(_SUBSECTION) + 4 + 4 + sum(1 + len(name) for name in listed)


def _description(listed: list[str]) -> str:
    """Return what the JSON description tells of that subsection (vmstate.c)."""
    if not listed:
        return ""
    repeated = f', "array_len": {len(listed)}' if len(listed) > 1 else ""
    return (
        f', "subsections": [{{"vmsd_name": "{_SUBSECTION}", "version": 1, "fields": '
        '[{"name": "caps_count", "type": "uint32", "size": 4}, '
        f'{{"name": "capabilities"{repeated}, "type": "capability", '
        f'"size": {1 + len(listed[0])}}}]}}]'
    )
