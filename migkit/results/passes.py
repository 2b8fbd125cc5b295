"""The passes of the migration thread, from the events of the source.

A pass starts with the estimate of what is pending; what follows until the next one belongs to it.
In a log of 11.1 that does not trace pending sizes a pass is the RAM section it writes, or the
decision to complete (migration/migration.c (migration_iteration_run)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from migkit.schema import DECISIONS, ITERATIONS, OTHER_STATES, STATES
from migkit.trace import EventLog
from migkit.trace.eventlog import Ints

from .frames import UNKNOWN, typed_frame
from .pending import pending_sizes

if TYPE_CHECKING:
    import pandas as pd

_STATE_CODES = {state: code for code, state in enumerate((*STATES, *OTHER_STATES))}
_ITERATE, _COMPLETE, _POSTCOPY = (DECISIONS.index(name) for name in DECISIONS)


def passes_frame(log: EventLog) -> pd.DataFrame:
    """Derive the frame of iterations.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.ITERATIONS`. Bytes and pages of a pass are unknown, as are the
        pending sizes but for the one that completed where the log does not trace them.
    """
    pending = pending_sizes(log)
    starts, estimate = pending.estimates.rows, pending.estimates.size
    if len(starts):
        exact = first_within(starts, pending.exact.rows, pending.exact.size)
    else:
        starts, estimate, exact = _passes_without_estimates(log)
    state = state_codes(log, starts)
    decision = _decisions(log, starts)
    postcopy = [code for name, code in _STATE_CODES.items() if name.startswith("postcopy")]
    return typed_frame(
        {
            "t_ns": log.t_ns[starts],
            "state": state,
            "in_postcopy": np.where(state == UNKNOWN, UNKNOWN, np.isin(state, postcopy)),
            "pending_estimate_bytes": estimate,
            "pending_exact_bytes": exact,
            "threshold_size_bytes": thresholds(log, starts),
            "decision": decision,
            "end_ns": _ends(log, starts, decision),
        },
        ITERATIONS,
    )


def last_before(rows: Ints, marks: Ints, values: Ints, default: int) -> Ints:
    """Return, for each row, the value at the last mark before it."""
    place = np.searchsorted(marks, rows) - 1
    known = np.concatenate((values, [default])).astype(np.int64)
    return known[np.where(place < 0, len(values), place)]


def first_within(starts: Ints, marks: Ints, values: Ints) -> Ints:
    """Return, for each stretch that begins at a start, the value at its first mark."""
    place = np.searchsorted(marks, starts)
    bounds = np.concatenate((starts[1:], [np.iinfo(np.int64).max]))
    padded = np.concatenate((marks, [np.iinfo(np.int64).max]))[place]
    known = np.concatenate((values, [UNKNOWN])).astype(np.int64)
    return np.where(padded < bounds, known[place], UNKNOWN)


def last_within(starts: Ints, marks: Ints, values: Ints) -> Ints:
    """Return, for each stretch that begins at a start, the value at its last mark."""
    bounds = np.concatenate((starts[1:], [np.iinfo(np.int64).max]))
    place = np.searchsorted(marks, bounds) - 1
    inside = (place >= 0) & (np.concatenate((marks, [-1]))[place] >= starts)
    known = np.concatenate((values, [UNKNOWN])).astype(np.int64)
    return np.where(inside, known[place], UNKNOWN)


def thresholds(log: EventLog, rows: Ints) -> Ints:
    """Return the threshold in force at each row: 0 from the start until a window has closed."""
    begun = log.rows("migration_thread_setup_complete", "savevm_state_setup")
    default = 0 if len(begun) else UNKNOWN
    marks = log.rows("migrate_transferred")
    return last_before(rows, marks, log.column("migrate_transferred", "max_size"), default)


def state_codes(log: EventLog, rows: Ints) -> Ints:
    """Return the code of the state in force at each row."""
    names = log.texts("migrate_set_state", "new_state")
    codes = np.array([_STATE_CODES.get(name or "", UNKNOWN) for name in names], dtype=np.int64)
    return last_before(rows, log.rows("migrate_set_state"), codes, UNKNOWN)


def _decisions(log: EventLog, starts: Ints) -> Ints:
    decision = np.full(len(starts), _ITERATE, dtype=np.int64)
    for event, code in (
        ("migration_thread_low_pending", _COMPLETE),
        ("postcopy_start", _POSTCOPY),
    ):
        marks = log.rows(event)
        decided = np.searchsorted(starts, marks, side="right") - 1
        decision[decided[decided >= 0]] = code
    return decision


def _ends(log: EventLog, starts: Ints, decision: Ints) -> Ints:
    """End of each pass: of its sections, or of the switch to postcopy or the completion."""
    sections = log.rows("savevm_section_end")
    ends = last_within(starts, sections, log.t_ns[sections])
    states = log.rows("migrate_set_state")
    codes = state_codes(log, states + 1)
    for wanted, names in (
        (_POSTCOPY, ("postcopy-device", "postcopy-active")),
        (_COMPLETE, ("completed",)),
    ):
        marks = states[np.isin(codes, [_STATE_CODES[name] for name in names])]
        changed = first_within(starts, marks, log.t_ns[marks])
        ends = np.where(decision == wanted, changed, ends)
    return ends


def _passes_without_estimates(log: EventLog) -> tuple[Ints, Ints, Ints]:
    low = log.rows("migration_thread_low_pending")
    switch = log.rows("postcopy_start")
    sections = _first_handler_sections(log)
    # Sections after the decision to complete belong to the completing pass.
    done = low[0] if len(low) else np.iinfo(np.int64).max
    starts = np.sort(np.concatenate((sections[sections < done], low, switch)))
    pending = np.full(len(starts), UNKNOWN, dtype=np.int64)
    pending[np.searchsorted(starts, low)] = log.column("migration_thread_low_pending", "pending")
    synced = _synced_since_previous(log, starts)
    return starts, np.where(synced, UNKNOWN, pending), np.where(synced, pending, UNKNOWN)


def _first_handler_sections(log: EventLog) -> Ints:
    """Rows at which the first iterable handler writes its section: once a pass."""
    rows = log.rows("savevm_section_start")
    section = log.column("savevm_section_start", "section_id")
    return rows[section == section[0]] if len(rows) else rows


def _synced_since_previous(log: EventLog, starts: Ints) -> np.ndarray:
    syncs = log.rows("migration_bitmap_sync_end")
    before = np.searchsorted(syncs, starts)
    return np.diff(before, prepend=0) > 0
