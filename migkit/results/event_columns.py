"""One kind of event as a wide frame: a typed column for each argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import Column
from migkit.trace import EventLog
from migkit.trace.registry import argument_kinds

from .frames import UNKNOWN, typed_frame

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = ("int", "hex")


def event_frame(logs: Mapping[str, EventLog], event: str) -> pd.DataFrame:
    """Return one kind of event of all sides, by time.

    Parameters
    ----------
    logs : mapping
        Side to its events.
    event : str
        The event's unified name.

    Returns
    -------
    DataFrame
        ``t_ns``, ``side`` and a column an argument: ``Int64`` for numbers, ``str`` for others.
        An event that does not occur has no rows, but the columns of its known arguments.
    """
    kinds = {**argument_kinds(event), **_further_arguments(logs, event)}
    columns = [_column("t_ns", "Int64"), _column("side", "str")]
    columns += [
        _column(name, "Int64" if kind in _NUMBERS else "str") for name, kind in kinds.items()
    ]
    values: dict[str, list[Any]] = {column.name: [] for column in columns}
    for side, log in logs.items():
        times = log.times(event)
        values["t_ns"] += times.tolist()
        values["side"] += [side] * len(times)
        for name, kind in kinds.items():
            number = kind in _NUMBERS
            found = log.column(event, name, UNKNOWN).tolist() if number else log.texts(event, name)
            values[name] += found
    frame = typed_frame(values, tuple(columns))
    if len(logs) == 1:
        return frame
    return frame.take(np.argsort(values["t_ns"], kind="stable")).reset_index(drop=True)


def _further_arguments(logs: Mapping[str, EventLog], event: str) -> dict[str, str]:
    """Arguments that only the texts of some versions have, or the raw text of an unknown one."""
    known, found = argument_kinds(event), {}
    for log in logs.values():
        for position in log.messages_of(event):
            for name, value in log.arguments_of(position).items():
                if name not in known:
                    found[name] = "int" if isinstance(value, int) else "text"
    return found


def _column(name: str, dtype: Any) -> Column:
    return Column(name, dtype, "", "", "")
