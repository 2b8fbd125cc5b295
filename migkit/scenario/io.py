"""Scenarios as dictionaries of plain values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from migkit.errors import MigkitError, ScenarioError
from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.guest.content import Content
from migkit.guest.ram_block import RamBlock
from migkit.host import HostProfile
from migkit.host.contention import Contention
from migkit.network.link import Link
from migkit.network.transport import Transport
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.records import record
from migkit.scenario.iterables import Handler, read_iterable
from migkit.scenario.scenario import Scenario
from migkit.scenario.text import build_from
from migkit.scenario.timeline import TimelineItem
from migkit.scenario.workload_tables import workload_from_dict, workload_to_dict

__all__ = ["FORMAT", "scenario_from_dict", "scenario_to_dict"]

FORMAT = "migkit scenario 1"
"""Value of the key ``format`` of an exact scenario; without it, `build` reads the file."""

FOR_READERS = ("fitted", "trace_log")
"""Tables of a scenario file that the scenario itself does not take."""


def scenario_to_dict(scenario: Scenario) -> dict[str, Any]:
    """Write every field as plain values that JSON can hold.

    Parameters
    ----------
    scenario : Scenario
        Any but one with a callback.

    Returns
    -------
    dict
        What `scenario_from_dict` reads; the key ``format`` says which form it has.

    Raises
    ------
    ScenarioError
        If the workload is a Python function.
    """
    fields = {item.name: getattr(scenario, item.name) for item in dataclasses.fields(scenario)}
    return {
        "format": FORMAT,
        **fields,
        "guest": {**_plain(scenario.guest), "content": str(scenario.guest.content)},
        "workload": workload_to_dict(scenario.workload),
        "capabilities": scenario.capabilities.to_qmp(),
        "parameters": scenario.parameters.to_qmp(changed_only=True),
        "timeline": [_plain(item) for item in scenario.timeline],
        "host": scenario.host.to_dict(),
        "link": _plain(scenario.link),
        "contention": _plain(scenario.contention),
        "accelerator": _plain(scenario.accelerator),
        "iterables": [{"kind": item.kind, **_plain(item)} for item in scenario.iterables],
        "transport": _plain(scenario.transport),
    }


def scenario_from_dict(values: Mapping[str, Any]) -> Scenario:
    """Read a scenario from a dictionary, exact or as people write it.

    Parameters
    ----------
    values : mapping
        What `scenario_to_dict` gave, or the fields of `migkit.scenario.text.WrittenScenario`.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    if not isinstance(values, Mapping):
        raise ScenarioError.of(f"scenario {values!r}", "not a table", "give its fields by name")
    if "failures" in values:
        raise ScenarioError.of(
            "scenario: failures", "they happen to real QEMUs alone", "use migkit lab run"
        )
    try:
        if "format" in values:
            return _exact(values)
        return build_from({key: values[key] for key in values if key not in FOR_READERS})
    except MigkitError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ScenarioError.of("scenario", found, "mend that value") from None


def _exact(values: Mapping[str, Any]) -> Scenario:
    if values["format"] != FORMAT:
        raise ScenarioError.of(
            f"scenario format {values['format']!r}", f"allowed {FORMAT!r}", "use that version"
        )
    parts = {name: value for name, value in values.items() if name != "format"}
    for name, read in _READERS.items():
        if name in parts:
            parts[name] = read(parts[name])
    return record(Scenario, parts, "scenario", ScenarioError)


def _guest(values: Mapping[str, Any]) -> Guest:
    blocks = [record(RamBlock, row, "RAM block", ScenarioError) for row in values["ram_blocks"]]
    content = Content.parse(values.get("content", str(Content())))
    fields = {**values, "ram_blocks": tuple(blocks), "content": content}
    return record(Guest, fields, "guest", ScenarioError)


def _timeline(rows: Any) -> tuple[TimelineItem, ...]:
    return tuple(record(TimelineItem, row, "timeline item", ScenarioError) for row in rows)


def _iterables(rows: Any) -> tuple[Handler, ...]:
    return tuple(read_iterable(row) for row in rows)


def _host(values: Any) -> HostProfile:
    return HostProfile.load(values) if isinstance(values, str) else HostProfile.from_dict(values)


def _link(values: Any) -> Link:
    return record(Link, values, "link", ScenarioError)


def _contention(values: Any) -> Contention:
    return record(Contention, values, "contention", ScenarioError)


def _accelerator(values: Any) -> Accelerator:
    return record(Accelerator, values, "accelerator", ScenarioError)


def _transport(values: Any) -> Transport:
    return record(Transport, values, "transport", ScenarioError)


def _plain(value: Any) -> dict[str, Any]:
    """Turn a dataclass into a dictionary in which tuples are lists, as in JSON."""
    plain = json.loads(json.dumps(dataclasses.asdict(value)))
    assert isinstance(plain, dict)
    return plain


_READERS: dict[str, Any] = {
    "guest": _guest,
    "workload": workload_from_dict,
    "capabilities": Capabilities.from_qmp,
    "parameters": MigrationParameters.from_qmp,
    "timeline": _timeline,
    "host": _host,
    "link": _link,
    "contention": _contention,
    "accelerator": _accelerator,
    "transport": _transport,
    "iterables": _iterables,
}
