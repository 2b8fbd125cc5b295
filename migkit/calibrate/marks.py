"""Rows of a trace log that begin or end a span, and the time between them."""

from __future__ import annotations

import numpy as np

from migkit.trace import EventLog
from migkit.trace.eventlog import Ints

__all__ = ["Floats", "checkpoint", "marks", "spans"]

Floats = np.ndarray


def marks(log: EventLog, event: str, argument: str = "", value: object = None) -> Ints:
    """Find the rows of an event.

    Parameters
    ----------
    log : EventLog
        One side's events.
    event : str
        Name of the event.
    argument : str
        Only rows with this argument...
    value : object
        ...of this value.

    Returns
    -------
    ndarray of int
        Positions in the log.
    """
    rows = log.rows(event)
    if not argument or not len(rows):
        return rows
    if isinstance(value, str):
        return rows[np.array([text == value for text in log.texts(event, argument)], dtype=bool)]
    return rows[log.column(event, argument) == value]


def checkpoint(log: EventLog, name: str) -> Ints:
    """Find the rows of a checkpoint of the downtime."""
    return marks(log, "vmstate_downtime_checkpoint", "checkpoint", name)


def spans(log: EventLog, starts: Ints, ends: Ints) -> Floats:
    """Time from each start to the first end after it.

    Parameters
    ----------
    log : EventLog
        One side's events.
    starts, ends : ndarray of int
        Rows; starts without an end are left out.

    Returns
    -------
    ndarray of float
        Nanoseconds.
    """
    place = np.searchsorted(ends, starts, side="right")
    known = place < len(ends)
    return (log.t_ns[ends[place[known]]] - log.t_ns[starts[known]]).astype(float)
