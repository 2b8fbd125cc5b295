"""What the source still had to send, asked at the begin of each pass and after each exact sync.

Up to 11.0 QEMU traces the two questions under two names; 11.1 under one
(migration/savevm.c (qemu_savevm_query_pending)), and asks once more when the guest stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from migkit.trace import EventLog
from migkit.trace.eventlog import Ints

from .frames import UNKNOWN

__all__ = ["Pending", "exact_pending", "final_pending", "pending_estimates"]

_ESTIMATE, _EXACT = "migrate_pending_estimate", "migrate_pending_exact"
_QUERY = "qemu_savevm_query_pending"


@dataclass(frozen=True)
class Pending:
    """Answers to one of the two questions, in the order of the log.

    Attributes
    ----------
    rows : ndarray of int64, shape (k,)
        Positions in the log.
    size : ndarray of int64, shape (k,)
        Pending bytes.
    must_precopy : ndarray of int64, shape (k,)
        Bytes of it that cannot wait for postcopy.
    """

    rows: Ints
    size: Ints
    must_precopy: Ints


def pending_estimates(log: EventLog) -> Pending:
    """Return the estimates: one begins each pass.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    Pending
        Empty where the log does not tell.
    """
    return _asked(log, _ESTIMATE, exact=0)


def exact_pending(log: EventLog) -> Pending:
    """Return the exact sizes, each after a sync of the dirty bitmap while the guest runs.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    Pending
        Empty where the log does not tell.
    """
    return _asked(log, _EXACT, exact=1)


def final_pending(log: EventLog) -> Pending:
    """Return the size after the last sync, of a guest that stands still; told since 11.1.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    Pending
        Empty where the log does not tell.
    """
    return _queried(log, exact=1, final=1)


def _asked(log: EventLog, event: str, exact: int) -> Pending:
    rows = log.rows(event)
    size, must = (log.column(event, name, UNKNOWN) for name in ("size", "pre"))
    return Pending(rows, size, must) if len(rows) else _queried(log, exact, final=0)


def _queried(log: EventLog, exact: int, final: int) -> Pending:
    names = ("exact", "final", "total", "precopy", "stopcopy")
    columns = {name: log.column(_QUERY, name, UNKNOWN) for name in names}
    wanted = (columns["exact"] == exact) & (columns["final"] == final)
    must = np.where(
        columns["precopy"] == UNKNOWN, UNKNOWN, columns["precopy"] + columns["stopcopy"]
    )
    return Pending(log.rows(_QUERY)[wanted], columns["total"][wanted], must[wanted])
