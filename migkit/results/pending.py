"""What the source still had to send, asked at the begin of each pass and after each exact sync.

Up to 11.0 QEMU traces the two questions under two names; 11.1 under one
(migration/savevm.c (qemu_savevm_query_pending)), and asks once more when the guest stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

from migkit.trace import EventLog
from migkit.trace.eventlog import Ints

from .frames import UNKNOWN

__all__ = ["Asked", "PendingSizes", "pending_sizes"]

_QUERY = "qemu_savevm_query_pending"


@dataclass(frozen=True)
class Asked:
    """Answers to one question, in the order of the log; empty where the log does not tell.

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


@dataclass(frozen=True)
class PendingSizes:
    """What was asked of the handlers.

    Attributes
    ----------
    estimates : Asked
        One begins each pass.
    exact : Asked
        Each after a sync of the dirty bitmap while the guest runs.
    final : Asked
        After the last sync, of a guest that stands still; told since 11.1.
    """

    estimates: Asked
    exact: Asked
    final: Asked


def pending_sizes(log: EventLog) -> PendingSizes:
    """Read all pending sizes of a log.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    PendingSizes
        Under the same names for all versions.
    """
    if len(log.rows(_QUERY)):
        return PendingSizes(_queried(log, 0, 0), _queried(log, 1, 0), _queried(log, 1, 1))
    estimates, exact = (_traced(log, f"migrate_pending_{kind}") for kind in ("estimate", "exact"))
    return PendingSizes(estimates, exact, _queried(log, 1, 1))


def _traced(log: EventLog, event: str) -> Asked:
    size, must = (log.column(event, name, UNKNOWN) for name in ("size", "pre"))
    return Asked(log.rows(event), size, must)


def _queried(log: EventLog, exact: int, final: int) -> Asked:
    column = {name: log.column(_QUERY, name, UNKNOWN) for name in _NAMES}
    wanted = (column["exact"] == exact) & (column["final"] == final)
    must = column["precopy"] + column["stopcopy"]
    return Asked(log.rows(_QUERY)[wanted], column["total"][wanted], must[wanted])


_NAMES = ("exact", "final", "total", "precopy", "stopcopy")
