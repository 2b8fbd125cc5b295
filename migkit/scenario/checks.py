"""What a scenario's parts ask of each other: one clear error, before any work starts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from migkit.errors import ScenarioError, did_you_mean
from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.host import HostProfile
from migkit.host.contention import Contention
from migkit.network.link import Link
from migkit.network.transport import Transport
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities, version_numbers
from migkit.scenario.iterables import HANDLERS, DirtyBitmap, VfioDevice
from migkit.scenario.target_checks import check_target
from migkit.scenario.timeline import TimelineItem
from migkit.workloads import Workload

if TYPE_CHECKING:
    from migkit.scenario.scenario import Scenario

__all__ = ["MAX_ITERABLES", "RULES", "check_scenario", "plain_seconds"]

_KINDS: dict[str, type] = {
    "guest": Guest,
    "workload": Workload,
    "capabilities": Capabilities,
    "parameters": MigrationParameters,
    "host": HostProfile,
    "accelerator": Accelerator,
    "link": Link,
    "contention": Contention,
    "images_locked": bool,
    "multifd_flush_after_each_section": bool,
    "transport": Transport,
    "qemu_version": str,
    "name": str,
    "description": str,
}

MAX_ITERABLES = 256
"""Most iterable handlers beside RAM."""

RULES: tuple[str, ...] = ("before", "after")
"""Completion rules of migration_iteration_run: up to QEMU 10.0, and since 10.1."""


def check_scenario(scenario: Scenario) -> None:
    """Refuse what cannot be simulated, or what QEMU refuses.

    Parameters
    ----------
    scenario : Scenario
        All its fields are set.

    Raises
    ------
    InputError
        At the first thing that is not valid.
    """
    _check_kinds(scenario)
    if scenario.completion_rule not in RULES:
        raise ScenarioError.of(
            f"completion rule {scenario.completion_rule!r}",
            "allowed before or after",
            did_you_mean(str(scenario.completion_rule), RULES),
        )
    version_numbers(scenario.qemu_version)
    if isinstance(scenario.seed, bool) or scenario.seed not in range(1 << 63):
        raise ScenarioError.of(
            f"seed {scenario.seed!r}", "allowed 0..2^63 - 1", "give a whole number of that range"
        )
    scenario.capabilities.check(scenario.parameters, scenario.qemu_version)
    scenario.accelerator.check(scenario.capabilities)
    scenario.workload.within(scenario.guest.ram_blocks[0].pages)
    _check_timeline(scenario)
    _check_iterables(scenario)
    check_target(scenario)


def _check_kinds(scenario: Scenario) -> None:
    for name, kind in _KINDS.items():
        if not isinstance(getattr(scenario, name), kind):
            raise ScenarioError.of(
                f"scenario: {name} {getattr(scenario, name)!r}",
                f"allowed a {kind.__name__}",
                "use Scenario.build for values as people write them",
            )
    for name, kinds in (("timeline", (TimelineItem,)), ("iterables", HANDLERS)):
        for item in getattr(scenario, name):
            if not isinstance(item, kinds):
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise ScenarioError.of(
                    f"scenario: {name} with {item!r}", f"allowed {allowed}", "make it one"
                )


def plain_seconds(name: str, value: Any) -> float | None:
    """Check a time and make it a float.

    Parameters
    ----------
    name : str
        ``observe_for_s``, which may be None and is over 0, or ``workload_lead_s``.
    value : Any
        Seconds.

    Returns
    -------
    float or None
        Seconds.

    Raises
    ------
    ScenarioError
        If it is not a number of that range.
    """
    if value is None and name == "observe_for_s":
        return None
    low = "over 0" if name == "observe_for_s" else "0 or more"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= 1e9:
        raise ScenarioError.of(f"{name} {value!r}", f"allowed {low}, up to 1e9 s", "give seconds")
    if value == 0 and name == "observe_for_s":
        raise ScenarioError.of("observe_for_s 0", "allowed over 0 s", "leave it out")
    return float(value)


def _check_timeline(scenario: Scenario) -> None:
    on = scenario.capabilities
    postcopy = "postcopy-ram" in on or "dirty-bitmaps" in on
    for item in scenario.timeline:
        if item.command == "migrate-start-postcopy" and not postcopy:
            raise ScenarioError.of(
                "timeline migrate-start-postcopy",
                "capability postcopy-ram is off",
                "add postcopy-ram to the capabilities",
            )
    _check_changes(scenario)


def _check_changes(scenario: Scenario) -> None:
    """Refuse parameters that QEMU would not take, each command after those before it.

    Those that wait for a state or an event come last: when that will be, nobody knows yet.
    """
    now = scenario.parameters
    changes = [item for item in scenario.timeline if item.command == "migrate-set-parameters"]
    changes.sort(key=lambda item: math.inf if item.at_s is None else item.at_s)
    for item in changes:
        after = now.with_qmp(item.arguments)
        scenario.capabilities.check_parameters(now, after)
        now = after


def _check_iterables(scenario: Scenario) -> None:
    on = scenario.capabilities
    bitmaps = [item for item in scenario.iterables if isinstance(item, DirtyBitmap)]
    devices = [item for item in scenario.iterables if not isinstance(item, DirtyBitmap)]
    names = [item.name for item in devices]
    names += ["dirty-bitmap"] if bitmaps else []
    if len(names) > MAX_ITERABLES:
        raise ScenarioError.of(
            f"{len(names)} iterable handlers", f"allowed at most {MAX_ITERABLES}", "join some"
        )
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError.of(
                f"iterable handler {name}", "there are two of that name", "name them apart"
            )
    told = [(item.node, item.name) for item in bitmaps]
    for node, name in told:
        if told.count((node, name)) > 1:
            raise ScenarioError.of(
                f"dirty bitmap {name} of {node}", "there are two", "name them apart"
            )
    if bitmaps and "dirty-bitmaps" not in on:
        raise ScenarioError.of(
            f"dirty bitmap {bitmaps[0].name}",
            "capability dirty-bitmaps is off",
            "add dirty-bitmaps to the capabilities",
        )
    for item in devices:
        if isinstance(item, VfioDevice) and "postcopy-ram" in on:
            raise ScenarioError.of(
                f"VFIO device {item.path} with postcopy-ram",
                "QEMU refuses: VFIO migration is not supported with postcopy migration",
                "leave out one of them",
            )
