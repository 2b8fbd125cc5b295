"""Workloads as tables of plain values, as scenario files and a guest's state have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from migkit.errors import ScenarioError, did_you_mean
from migkit.guest.writes import Writes
from migkit.records import record
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Workload, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import Callback, RecordedPages, RecordedRate, recorded_from_file

__all__ = ["workload_from_dict", "workload_to_dict"]

_WORKLOADS: dict[str, type[Workload]] = {
    kind.kind: kind
    for kind in (Idle, Sequential, Uniform, HotCold, Zipf, Phases, RecordedPages, RecordedRate)
}


def workload_to_dict(spec: Workload) -> dict[str, Any]:
    """Turn a workload into plain values that JSON has.

    Parameters
    ----------
    spec : Workload
        Not a Python function.

    Returns
    -------
    dict
        Its ``kind`` and fields; recorded ones name their file, if they have one.

    Raises
    ------
    ScenarioError
        If it is a Python function.
    """
    if isinstance(spec, Callback):
        raise ScenarioError.of(
            "workload: a Python function", "it cannot be written to a file", "record its pages"
        )
    values = {item.name: getattr(spec, item.name) for item in dataclasses.fields(spec)}
    values["writes"] = str(spec.writes)
    if isinstance(spec, Phases):
        values["phases"] = [
            {"workload": workload_to_dict(phase.workload), "duration_ms": phase.duration_ms}
            for phase in spec.phases
        ]
    arrays = [name for name, value in values.items() if isinstance(value, np.ndarray)]
    for name in arrays:
        if values["path"]:
            del values[name]
        else:
            values[name] = values[name].tolist()
    return {"kind": spec.kind, **values}


def workload_from_dict(values: Mapping[str, Any]) -> Workload:
    """Read what `workload_to_dict` wrote.

    Parameters
    ----------
    values : mapping
        The fields; a ``path`` is read.

    Returns
    -------
    Workload
        An equal one.

    Raises
    ------
    InputError
        If a value is not valid.
    """
    fields = dict(values)
    kind = fields.pop("kind")
    if "writes" in fields:
        fields["writes"] = Writes.parse(fields["writes"])
    if kind not in _WORKLOADS:
        raise ScenarioError.of(
            f"workload kind {kind!r}", "not known", did_you_mean(str(kind), _WORKLOADS)
        )
    if kind == "phases":
        fields["phases"] = tuple(
            Phase(workload=workload_from_dict(row["workload"]), duration_ms=row["duration_ms"])
            for row in fields["phases"]
        )
    if fields.get("path"):
        return recorded_from_file(fields.pop("path"), **fields)
    return record(_WORKLOADS[kind], fields, f"{kind} workload", ScenarioError)
