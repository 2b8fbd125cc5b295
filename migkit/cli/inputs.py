"""From command-line options to a scenario."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.errors import InputError
from migkit.parameters import PARAMETERS
from migkit.parameters.capabilities import Capabilities
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.units import parse_bytes, parse_duration, parse_rate

if TYPE_CHECKING:
    from migkit.evidence.stamp import TraceStamp

_BUILT = (
    "memory",
    "workload",
    "vcpus",
    "cpu_per_write",
    "accelerator",
    "nonzero_percent",
    "content",
    "link_bandwidth",
    "link_latency",
    "link_profile",
    "transport",
    "disk_bandwidth",
    "disk_cache",
    "runstate",
    "memory_shared",
    "bandwidth",
    "downtime_limit",
    "postcopy_bandwidth",
    "postcopy_at",
    "rule",
    "seed",
    "observe_for",
)
_OF_THE_FILE = (
    "memory",
    "workload",
    "vcpus",
    "cpu_per_write",
    "accelerator",
    "nonzero_percent",
    "content",
    "link_bandwidth",
    "link_latency",
    "link_profile",
    "link",
    "contention",
    "transport",
    "disk_bandwidth",
    "disk_cache",
    "runstate",
    "memory_shared",
)
_START_POSTCOPY = "migrate-start-postcopy"


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """Make the scenario that the options ask for.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of ``migkit simulate``.

    Returns
    -------
    Scenario
        Built from the options, or read from a file and changed by them.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    if arguments.scenario is not None:
        return _changed(Scenario.from_file(scenario_path(arguments.scenario)), arguments)
    values = {name: getattr(arguments, name) for name in _BUILT}
    given = {name: value for name, value in values.items() if value is not None}
    capabilities = dict(arguments.capabilities)
    if arguments.postcopy_at is not None and capabilities.get("postcopy-ram") is False:
        raise InputError.of(
            f"--postcopy-at {arguments.postcopy_at}", "postcopy-ram is off", "leave one out"
        )
    given |= {"link": dict(arguments.link or ()), "contention": _percents(arguments.contention)}
    return Scenario.build(capabilities=capabilities, parameters=_parameters(arguments), **given)


def stamp_of(arguments: argparse.Namespace) -> TraceStamp | None:
    """Read process id and start of the trace log, if the scenario's file tells them."""
    if arguments.scenario is None:
        return None

    from migkit.evidence.stamp import read_stamp

    return read_stamp(scenario_path(arguments.scenario))


def scenario_path(name: str) -> Path:
    """Find a scenario's file, or a shipped one by its name.

    Parameters
    ----------
    name : str
        A path, or a name that ``migkit scenarios`` lists.

    Returns
    -------
    Path
        Of the file; a path is returned as it is, there or not.

    Raises
    ------
    DatasetError
        If it is neither.
    """
    path = Path(name)
    if path.suffix in {".toml", ".json"} or path.exists():
        return path

    from migkit import datasets

    return datasets.scenario_file(name)


def _percents(written: list[tuple[str, str]] | None) -> dict[str, Any]:
    """Read shares with or without a percent sign; what is no number is left to the check."""
    plain = ((name, text.removesuffix("%")) for name, text in written or ())
    return {name: int(text) if text.isdecimal() else text for name, text in plain}


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: parameter_value(name, text) for name, text in arguments.parameters}


def parameter_value(name: str, text: str) -> Any:
    """Read a parameter's value in the units that people write.

    Parameters
    ----------
    name : str
        QEMU's name; an unknown one is left to the check that suggests the nearest.
    text : str
        Such as ``10MiB`` or ``10MiB/s`` for a bandwidth, ``300ms``, ``on``, or a bare number in
        QEMU's own unit.

    Returns
    -------
    int, bool or str
        In QEMU's unit.

    Examples
    --------
    >>> parameter_value("max-postcopy-bandwidth", "10MiB"), parameter_value("downtime-limit", "1s")
    (10485760, 1000)
    >>> parameter_value("cpu-throttle-tailslow", "on")
    True
    """
    info = PARAMETERS.get(name)
    if info is None:
        return text
    if isinstance(info.default, bool):
        return {"on": True, "true": True, "off": False, "false": False}.get(text, text)
    if info.low is None:
        return text
    try:
        return int(text)
    except ValueError:
        pass
    asked = f"parameter {name}"
    if info.unit == "B/s":
        rate = "/" in text or text.endswith("bps")
        return parse_rate(text, asked) if rate else parse_bytes(text, asked)
    if info.unit == "ms":
        return _whole_milliseconds(text, asked)
    if info.unit in {"B", "bytes"}:
        return parse_bytes(text, asked)
    return text


def _whole_milliseconds(text: str, asked: str) -> int:
    whole, rest = divmod(parse_duration(text, asked), 1_000_000)
    if rest:
        raise InputError.of(f"{asked} {text}", "allowed whole milliseconds", "write 300ms")
    return whole


def _changed(scenario: Scenario, arguments: argparse.Namespace) -> Scenario:
    """Change what may be changed of a scenario that was read from a file."""
    for name in _OF_THE_FILE:
        if getattr(arguments, name) is not None:
            raise InputError.of(
                f"--{name.replace('_', '-')} {getattr(arguments, name)}",
                f"not allowed with --scenario {arguments.scenario}",
                "change a copy of the scenario's file",
            )
    changes: dict[str, Any] = {}
    if arguments.rule is not None:
        changes["completion_rule"] = arguments.rule
    if arguments.seed is not None:
        changes["seed"] = arguments.seed
        changes["workload"] = scenario.workload.seeded(arguments.seed)
    if arguments.observe_for is not None:
        changes["observe_for_s"] = parse_duration(arguments.observe_for, "observe_for") / 1e9
    changes["parameters"] = scenario.parameters.with_qmp(_limits(arguments))
    switched = scenario.capabilities.to_qmp() | dict(arguments.capabilities)
    if arguments.postcopy_at is not None:
        at_s = parse_duration(arguments.postcopy_at, "postcopy_at") / 1e9
        others = [item for item in scenario.timeline if item.command != _START_POSTCOPY]
        changes["timeline"] = (TimelineItem(_START_POSTCOPY, at_s=at_s), *others)
        switched |= {"postcopy-ram": True, "return-path": True}
    changes["capabilities"] = Capabilities.from_qmp(switched)
    return replace(scenario, **changes)


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    """Join the limits that have an option of their own with the other parameters."""
    limits = _parameters(arguments)
    if arguments.bandwidth is not None:
        limits["max-bandwidth"] = parse_rate(arguments.bandwidth, "bandwidth")
    if arguments.postcopy_bandwidth is not None:
        rate = parse_rate(arguments.postcopy_bandwidth, "postcopy_bandwidth")
        limits["max-postcopy-bandwidth"] = rate
    if arguments.downtime_limit is not None:
        limits["downtime-limit"] = _whole_milliseconds(arguments.downtime_limit, "downtime_limit")
    return limits
