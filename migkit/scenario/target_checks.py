"""What has to fit where the stream goes, and what of the guest goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migkit.errors import ScenarioError, did_you_mean
from migkit.parameters.capabilities import version_numbers
from migkit.scenario.iterables import VfioDevice

if TYPE_CHECKING:
    from migkit.scenario.scenario import Scenario

__all__ = ["RUNSTATES", "check_target"]

RUNSTATES: tuple[str, ...] = ("running", "paused", "prelaunch")
"""States of the VM in which QEMU takes ``migrate`` (migration/migration.c, migrate_prepare)."""

_ANSWERS = ("return-path", "postcopy-ram", "switchover-ack")


def check_target(scenario: Scenario) -> None:
    """Refuse what each part allows and QEMU, or the engine, does not take together.

    Parameters
    ----------
    scenario : Scenario
        One whose parts are valid.

    Raises
    ------
    ScenarioError
        At the first thing that does not fit.
    """
    _check_runstate(scenario)
    _check_transport(scenario)
    _check_mapped_ram(scenario)
    _check_snapshot(scenario)


def _check_runstate(scenario: Scenario) -> None:
    if scenario.runstate not in RUNSTATES:
        raise ScenarioError.of(
            f"runstate {scenario.runstate!r}",
            f"allowed {', '.join(RUNSTATES)}: QEMU migrates in no other",
            did_you_mean(str(scenario.runstate), RUNSTATES),
        )


def _check_transport(scenario: Scenario) -> None:
    """Nothing comes back from a file or a command; QEMU finds out late, or never."""
    kind = scenario.transport.kind
    if kind == "tcp":
        return
    fate = {
        "file": "the migration fails at its end: Unable to read from file: Bad file descriptor",
        "exec": "the migration stays in device for ever: nothing answers",
    }[kind]
    for name in _ANSWERS:
        if name in scenario.capabilities:
            raise ScenarioError.of(
                f"transport {kind} with capability {name}",
                f"{kind}: has no return path; {fate}",
                f"leave out {name}, or use the transport tcp",
            )
    if any(item.command == "migrate-start-postcopy" for item in scenario.timeline):
        raise ScenarioError.of(
            f"transport {kind} with migrate-start-postcopy",
            "there is no destination for the guest to go to",
            "leave the command out, or use the transport tcp",
        )
    if "multifd" in scenario.capabilities and "mapped-ram" not in scenario.capabilities:
        raise ScenarioError.of(
            f"transport {kind} with capability multifd",
            "QEMU refuses: Migration requires multi-channel URIs (e.g. tcp)",
            "add mapped-ram (with file), or use the transport tcp",
        )


def _check_mapped_ram(scenario: Scenario) -> None:
    """Only a file can be written at any place (migration_transport_compatible)."""
    if "mapped-ram" not in scenario.capabilities:
        return
    if scenario.transport.kind != "file":
        raise ScenarioError.of(
            f"transport {scenario.transport.kind} with capability mapped-ram",
            "QEMU refuses: Migration requires seekable transport (e.g. file)",
            "use the transport file",
        )
    shared = [block.name for block in scenario.guest.ram_blocks if block.shared]
    ignored = shared and "x-ignore-shared" in scenario.capabilities
    if ignored and version_numbers(scenario.qemu_version) < (11,):
        raise ScenarioError.of(
            f"capabilities mapped-ram and x-ignore-shared with the shared RAM block {shared[0]}",
            f"QEMU {scenario.qemu_version} fails at the end: Failed to write bitmap to file",
            "leave out x-ignore-shared, or use QEMU 11.0 or later",
        )


def _check_snapshot(scenario: Scenario) -> None:
    """Refuse a VFIO device, which cannot be saved while the guest runs on (vfio_save_prepare)."""
    if "background-snapshot" not in scenario.capabilities:
        return
    for item in scenario.iterables:
        if isinstance(item, VfioDevice):
            raise ScenarioError.of(
                f"VFIO device {item.name} with capability background-snapshot",
                "QEMU refuses them together",
                "leave out one of them",
            )
