"""The events of a simulation as the same log a real run leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from migkit.schema import CHECKPOINTS, EVENTS, MAX_ARGUMENTS, STATES
from migkit.trace import EventLog
from migkit.trace.registry import render

Value = int | str | None


def event_log(recording: Mapping[str, Any]) -> EventLog:
    """Decode the event rows of a recording.

    Parameters
    ----------
    recording : mapping
        With ``events`` (int64, shape (n, 7): time, code, five arguments), ``handlers`` and
        ``ram_blocks``.

    Returns
    -------
    EventLog
        The source's events, with the messages QEMU would print.
    """
    import pyarrow as pa

    events = np.ascontiguousarray(recording["events"], dtype=np.int64)
    coded = np.ascontiguousarray(events[:, 1:])
    width = (1 + MAX_ARGUMENTS) * coded.itemsize
    buffers = [None, pa.py_buffer(coded.tobytes())]
    rows = pa.Array.from_buffers(pa.binary(width), len(coded), buffers).dictionary_encode()
    names = _Names(recording["handlers"], recording["ram_blocks"])
    messages = [
        names.message(np.frombuffer(row, dtype=np.int64).tolist())
        for row in rows.dictionary.to_pylist()
    ]
    index = rows.indices.to_numpy().astype(np.int64)
    return EventLog("source", events[:, 0].copy(), index, messages, "iso")


class _Names:
    """The vocabularies that decode an argument."""

    def __init__(self, handlers: Sequence[str], blocks: Sequence[str]) -> None:
        self._tables: dict[str, Sequence[str]] = {
            "state": STATES,
            "checkpoint": CHECKPOINTS,
            "handler": handlers,
            "block": blocks,
        }

    def message(self, row: list[int]) -> str:
        event = EVENTS[row[0]]
        values = {
            argument.name: self._value(argument.kind, code)
            for argument, code in zip(event.arguments, row[1:], strict=False)
        }
        return render(event.name, values)

    def _value(self, kind: str, code: int) -> Value:
        if kind in self._tables:
            return self._tables[kind][code] if code >= 0 else None
        return "" if kind == "text" else code
