"""The scenario of a recorded migration, from its ``scenario.json`` alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from migkit.errors import CaptureError, MigkitError, NotSimulatedError
from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.guest.ram_block import RamBlock
from migkit.guest.writes import Writes
from migkit.host import HostProfile
from migkit.network.link import Link
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.scenario.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.workloads import HotCold, Sequential, Uniform, Workload

__all__ = ["EXACT", "SCENARIO_FILE", "scenario_of_capture"]

SCENARIO_FILE = "scenario.json"

_READY_TO_MIGRATE_S = 1.02
_PATTERNS: dict[str, type[Workload]] = {
    "sequential": Sequential,
    "uniform": Uniform,
    "hotcold": HotCold,
}
_ONLY_REAL = ("kill-source",)
"""What happens to real QEMUs in a lab run, and to no simulated one."""
_NOT_SIMULATED = ("outages", "disk")
"""Failures of a lab run that no simulation has, in its table ``failures``."""
_COMMANDS = {"relay-cut": "cut"}
EXACT = "migkit_scenario"
"""Key of the exact form, where a recording's guest or link has more than the captures' can say."""


def scenario_of_capture(path: Path) -> Scenario:
    """Read a capture's ``scenario.json``, and nothing else of it.

    Parameters
    ----------
    path : Path
        The capture's folder, or the file.

    Returns
    -------
    Scenario
        What went into the recorded migration. A relay's rate becomes the link's; a recovery goes
        around the relay.

    Raises
    ------
    CaptureError
        If there is no such file, or it is not that of a capture.
    NotSimulatedError
        If something happened in it that no simulation has.
    """
    file = path if path.suffix == ".json" else path / SCENARIO_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaptureError.of(
            f"capture {path}", f"no readable {SCENARIO_FILE}: {error.strerror}", "name a capture"
        ) from None
    except ValueError as error:
        raise CaptureError.of(f"{file}", f"not JSON: {error}", "name a capture") from None
    try:
        return _scenario(values)
    except NotSimulatedError:
        raise
    except MigkitError as error:
        raise CaptureError.of(f"{file}", str(error), "check the capture's files") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found = f"not a capture's scenario ({type(error).__name__}: {error})"
        raise CaptureError.of(f"{file}", found, "name a capture") from None


def _scenario(values: Mapping[str, Any]) -> Scenario:
    failures = values["failures"] if "failures" in values else {}
    if unknown := [f"{name} {failures[name]}" for name in _NOT_SIMULATED if name in failures]:
        raise NotSimulatedError(unknown)
    if EXACT in values:
        return _from_exact(values)
    workload = _workload(values["guest"]["workload"])
    host = HostProfile.load()
    return Scenario(
        guest=_guest(values["guest"], workload),
        workload=workload,
        capabilities=Capabilities.from_qmp(values["capabilities"]),
        parameters=MigrationParameters.from_qmp(values["parameters"]),
        timeline=tuple(_timeline_item(item) for item in values["timeline"]),
        host=host,
        link=_link(host, values.get("transport", {})),
        completion_rule=values["qemu"]["completion_rule"],
        qemu_version=values["qemu"]["version"],
        name=values["name"],
        description="recorded migration",
        observe_for_s=values.get("observed_for_s"),
        workload_lead_s=_READY_TO_MIGRATE_S,
        accelerator=Accelerator(values["qemu"].get("accelerator", "tcg")),
    )


def _from_exact(values: Mapping[str, Any]) -> Scenario:
    """Read migkit's own form; when each command was really given stands in the timeline."""
    from migkit.scenario.io import scenario_from_dict

    return dataclasses.replace(
        scenario_from_dict(values[EXACT]),
        timeline=tuple(_timeline_item(item) for item in values["timeline"]),
        observe_for_s=values.get("observed_for_s"),
    )


def _workload(values: Mapping[str, Any]) -> Workload:
    """Read the guest's program; its random numbers are those of the captures' README."""
    common = {
        name: values[name]
        for name in ("rate_pages_per_s", "pages", "total_pages", "base_page", "batch_ms", "seed")
    }
    hot = {
        name: values[name]
        for name in ("hot_pages", "hot_percent")
        if values["pattern"] == "hotcold"
    }
    kind = _PATTERNS[values["pattern"]]
    return kind(generator="xorshift32", writes=Writes.parse("count"), **common, **hot)


def _guest(values: Mapping[str, Any], workload: Workload) -> Guest:
    """Take names, lengths and order of the blocks from the file, their data from the program."""
    memory_bytes = values["memory_bytes"]
    known = Guest.of_captures(memory_bytes, workload.base_page, workload.total_pages or 0)
    data = {block.name: block for block in known.ram_blocks}
    blocks = []
    for row in values["ram_blocks"]:
        block = data.get(row["name"], RamBlock(row["name"], row["used_bytes"]))
        blocks.append(dataclasses.replace(block, used_bytes=row["used_bytes"]))
    return Guest(memory_bytes, tuple(blocks), known.always_dirty_pages, values.get("vcpus", 1))


def _link(host: HostProfile, transport: Mapping[str, Any]) -> Link:
    """Return the machine's own link, or the relay's: slower than the rate it is told."""
    rate = transport.get("relay_bytes_per_s", 0) * host.relay_percent // 100
    return dataclasses.replace(host.link, bandwidth_bytes_per_s=rate) if rate else host.link


def _timeline_item(values: Mapping[str, Any]) -> TimelineItem:
    if values["command"] in _ONLY_REAL:
        raise NotSimulatedError([values["command"]])
    return TimelineItem(
        _COMMANDS.get(values["command"], values["command"]),
        at_s=values["issued_s"],
        arguments=values.get("arguments", {}),
        side=values.get("side", "source"),
    )
