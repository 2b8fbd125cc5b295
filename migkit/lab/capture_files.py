"""What a lab run writes: a folder in the format of the captures."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.capture import LOG_FILES, POLLS_FILE, RESULT_FILE, SCENARIO_FILE
from migkit.guest import Guest
from migkit.guest.ram_block import PAGE_BYTES
from migkit.host import HostProfile
from migkit.scenario.from_capture import EXACT
from migkit.workloads import HotCold, Sequential, Uniform, Workload

if TYPE_CHECKING:
    from migkit.lab.failures import Failures
    from migkit.lab.pair import Observed
    from migkit.lab.qemus import Qemu
    from migkit.scenario import Scenario

__all__ = ["scenario_dict", "write_capture"]

_TRANSPORTS = {"tcp": "tcp loopback", "file": "file"}
_PATTERNS = {Sequential: "sequential", Uniform: "uniform", HotCold: "hotcold"}


def write_capture(
    folder: Path,
    logs: Path,
    scenario: Scenario,
    observed: Observed,
    pair: tuple[Qemu, Qemu],
    failures: Failures | None = None,
) -> None:
    """Write a capture.

    Parameters
    ----------
    folder : Path
        An empty folder.
    logs : Path
        Where both QEMUs wrote.
    scenario : Scenario
        What went in, as the guest really did it.
    observed : Observed
        What was seen.
    pair : tuple of Qemu
        Source and destination.
    failures : Failures, optional
        What went wrong on purpose.
    """
    written = scenario_dict(scenario, observed, pair[0])
    if failures is not None and failures.to_dict():
        written["failures"] = failures.to_dict()
    _write_json(folder / SCENARIO_FILE, written)
    machines = {
        side: {"version": qemu.version_text, "rule": qemu.rule}
        for side, qemu in zip(("source", "destination"), pair, strict=True)
    }
    result = {
        "outcome": observed.result["outcome"],
        "rule": pair[0].rule,
        "qemu": machines,
        "timeline": observed.timeline,
        **observed.result,
    }
    _write_json(folder / RESULT_FILE, result)
    for side, name in LOG_FILES.items():
        log = logs / f"{side}.trace.log"
        _compress(folder / name, log.read_bytes() if log.is_file() else b"")
    lines = "".join(json.dumps(row) + "\n" for row in observed.polls)
    _compress(folder / POLLS_FILE, lines.encode())
    for side in ("source", "dest"):
        said = (logs / f"{side}.stderr.txt").read_bytes()
        if said:
            (folder / f"{side}.stderr.txt").write_bytes(said)


def scenario_dict(scenario: Scenario, observed: Observed, qemu: Qemu) -> dict[str, Any]:
    """Write a scenario in the form of a capture's scenario.json.

    Parameters
    ----------
    scenario : Scenario
        What went in.
    observed : Observed
        When its commands were issued, and the RAM blocks that QEMU told.
    qemu : Qemu
        The source's.

    Returns
    -------
    dict
        What `Scenario.from_capture` reads. Where the form of the captures cannot say it, the
        exact scenario is there too, under a key of its own.
    """
    relay = _relayed(scenario)
    rate = scenario.link.bandwidth_bytes_per_s * 100 // scenario.host.relay_percent if relay else 0
    values: dict[str, Any] = {
        "name": scenario.name,
        "qemu": {
            "version": qemu.version_text,
            "completion_rule": qemu.rule,
            "accelerator": scenario.accelerator.name,
            "machine": "pc",
            "page_bytes": PAGE_BYTES,
        },
        "guest": {
            "memory_bytes": scenario.guest.memory_bytes,
            "vcpus": scenario.guest.vcpus,
            "ram_blocks": observed.ram_blocks,
            "workload": _workload(scenario.workload),
        },
        "transport": {
            "uri": _TRANSPORTS[scenario.transport.kind],
            "relay": relay,
            "relay_bytes_per_s": rate,
        },
        "capabilities": {name: True for name, on in scenario.capabilities.to_qmp().items() if on},
        "parameters": scenario.parameters.to_qmp(changed_only=True),
        "timeline": observed.timeline,
        "observed_for_s": observed.observed_for_s,
    }
    if not _fits_captures(scenario):
        values[EXACT] = dataclasses.replace(scenario, timeline=()).to_dict()
    return values


def _relayed(scenario: Scenario) -> bool:
    return scenario.link != HostProfile.load().link


def _workload(spec: Workload) -> dict[str, Any]:
    kind = _PATTERNS.get(type(spec), spec.kind)
    values: dict[str, Any] = {
        "pattern": kind,
        **{
            name: getattr(spec, name)
            for name in ("pages", "total_pages", "rate_pages_per_s", "seed", "base_page")
        },
        "batch_ms": spec.batch_ms,
    }
    if isinstance(spec, HotCold):
        values |= {"hot_pages": spec.hot_pages, "hot_percent": spec.hot_percent}
    return values


def _fits_captures(scenario: Scenario) -> bool:
    """Whether guest and link are of the kind that the captures' files can tell."""
    spec = scenario.workload
    if type(spec) not in _PATTERNS or not spec.writes.counted or scenario.transport.kind != "tcp":
        return False
    plain = Guest.of_captures(scenario.guest.memory_bytes, spec.base_page, spec.total_pages or 0)
    guest = dataclasses.replace(scenario.guest, vcpus=plain.vcpus)
    link = dataclasses.replace(
        HostProfile.load().link, bandwidth_bytes_per_s=scenario.link.bandwidth_bytes_per_s
    )
    return guest == plain and scenario.link == link


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _compress(path: Path, data: bytes) -> None:
    # Without the time in its header the same recording gives the same file.
    path.write_bytes(gzip.compress(data, mtime=0))
