"""Dirty-bitmap syncs and bandwidth windows, from the events of the source.

The trace prints the pages found dirty since the running period began, not those of one sync. A
period ends with the first sync that ends more than 1000 ms after the period's begin
(migration/ram.c (migration_bitmap_sync)); so the pages of one sync are a difference within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from migkit.schema import ROUNDS, SYNC_REASONS, WINDOWS
from migkit.trace import NO_TIME, EventLog
from migkit.trace.eventlog import Ints

from .frames import UNKNOWN, typed_frame
from .passes import first_within, last_before, last_within, thresholds
from .pending import pending_sizes

if TYPE_CHECKING:
    import pandas as pd

_SETUP, _EXACT, _FINAL, _POSTCOPY, _TIMER = range(len(SYNC_REASONS))
_PAGE_BYTES = 4096
_PERIOD_MS = 1000
_NS_PER_MS = 1_000_000
_LAST = np.iinfo(np.int64).max


def rounds_frame(log: EventLog) -> pd.DataFrame:
    """Derive the frame of rounds.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.ROUNDS`. Bytes and pages sent so far and the dirty rate are
        unknown; the remaining pages are those of all handlers together, so they are unknown
        where another handler than RAM takes part.
    """
    starts = log.rows("migration_bitmap_sync_start")
    ends = log.rows("migration_bitmap_sync_end")
    found = log.column("migration_bitmap_sync_end", "dirty_pages", UNKNOWN)
    period = first_within(starts, ends, found)
    end_ns = first_within(starts, ends, log.t_ns[ends])
    new = _new_pages(log.t_ns[starts], end_ns, period)
    reason = _reasons(log, starts)
    return typed_frame(
        {
            "t_ns": log.t_ns[starts],
            "end_ns": end_ns,
            "reason": reason,
            "new_dirty_pages": new,
            "period_dirty_pages": period,
            "remaining_pages": _remaining(log, starts, reason, new),
            "threshold_size_bytes": thresholds(log, starts),
            "cpu_throttle_percentage": _throttles(log, starts),
        },
        ROUNDS,
    )


def windows_frame(log: EventLog) -> pd.DataFrame:
    """Derive the frame of bandwidth windows.

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.WINDOWS`.
    """
    arguments = ("transferred", "time_spent", "bandwidth", "switchover_bw", "max_size")
    names = [column.name for column in WINDOWS if column.name != "t_ns"]
    values = {
        name: log.column("migrate_transferred", argument, UNKNOWN)
        for name, argument in zip(names, arguments, strict=True)
    }
    return typed_frame({"t_ns": log.times("migrate_transferred"), **values}, WINDOWS)


def _new_pages(starts_ns: Ints, ends_ns: Ints, period: Ints) -> Ints:
    """Pages of each sync alone; unknown where the log has no times to tell the periods apart."""
    new = period.copy()
    begin_ms, counted = None, 0
    rows = zip(starts_ns.tolist(), ends_ns.tolist(), period.tolist(), strict=True)
    for row, (start, end, total) in enumerate(rows):
        if total == UNKNOWN:
            continue
        if NO_TIME in (start, end):
            new[row] = total if row == 0 or total < counted else UNKNOWN
            counted = total
            continue
        begin_ms = start // _NS_PER_MS if begin_ms is None else begin_ms
        new[row] = total - counted if total >= counted else total
        counted = total
        if end // _NS_PER_MS > begin_ms + _PERIOD_MS:
            begin_ms, counted = end // _NS_PER_MS, 0
    return new


def _reasons(log: EventLog, starts: Ints) -> Ints:
    """Who asked for each sync, by what stands around it."""
    setup = log.rows("migration_thread_setup_complete")
    pending = pending_sizes(log)
    estimates = pending.estimates.rows
    reason = np.full(len(starts), _TIMER, dtype=np.int64)
    if len(estimates):
        reason[_between(starts, estimates, pending.exact.rows)] = _EXACT
    else:
        # Without traces of pending sizes: the loop syncs between sections, a timer within one.
        within = _between(starts, log.rows("savevm_section_start"), log.rows("savevm_section_end"))
        reason[~within] = _EXACT
    stopped = log.rows("migration_completion_vm_stop")
    switch = log.rows("postcopy_start")
    if len(stopped):
        reason[starts > stopped[0]] = _FINAL
    if len(switch):
        reason[starts > switch[0]] = _POSTCOPY
    reason[starts < (setup[0] if len(setup) else -1)] = _SETUP
    return reason


def _between(rows: Ints, opens: Ints, closes: Ints) -> np.ndarray:
    """Tell which rows lie after an opening mark and before a closing one, with none between."""
    opened = np.searchsorted(opens, rows)
    next_open = np.concatenate((opens, [_LAST]))[opened]
    next_close = np.concatenate((closes, [_LAST]))[np.searchsorted(closes, rows)]
    return (opened > 0) & (next_close < next_open)


def _remaining(log: EventLog, starts: Ints, reason: Ints, new: Ints) -> Ints:
    """Pages left after each sync, from the next pending size, or the final count plus the new."""
    if _has_other_iterables(log):
        return np.full(len(starts), UNKNOWN, dtype=np.int64)
    left = np.full(len(starts), UNKNOWN, dtype=np.int64)
    pending = pending_sizes(log)
    for wanted, told in (
        (_SETUP, pending.estimates),
        (_EXACT, pending.exact),
        (_FINAL, pending.final),
        (_POSTCOPY, pending.estimates),
    ):
        size = first_within(starts, told.rows, told.size)
        pages = np.where(size == UNKNOWN, UNKNOWN, size // _PAGE_BYTES)
        left = np.where(reason == wanted, pages, left)
    begins = log.column("ram_save_complete", "done", UNKNOWN) == 0
    marks = log.rows("ram_save_complete")[begins]
    dirty = last_before(
        starts, marks, log.column("ram_save_complete", "dirty", UNKNOWN)[begins], UNKNOWN
    )
    known = (reason == _FINAL) & (dirty != UNKNOWN) & (new != UNKNOWN)
    return np.where(known, dirty + new, left)


def _has_other_iterables(log: EventLog) -> bool:
    """Whether another handler than RAM wrote a section that is not a device's.

    Devices are written between two checkpoints; without those, after the guest was stopped. A
    handler that never got to write, or sections that are not traced, cannot be told.
    """
    rows = log.rows("savevm_section_start")
    checkpoints = log.texts("vmstate_downtime_checkpoint", "checkpoint")
    marks = log.rows("vmstate_downtime_checkpoint")
    is_begin = np.array([name == "src-iterable-saved" for name in checkpoints], dtype=bool)
    if is_begin.any():
        is_device = last_before(rows, marks, is_begin.astype(np.int64), 0) == 1
    else:
        stopped = log.rows("migration_completion_vm_stop")
        is_device = rows > (stopped[0] if len(stopped) else _LAST)
    names = log.texts("savevm_section_start", "id")
    pairs = zip(is_device.tolist(), names, strict=True)
    return any(name != "ram" for device, name in pairs if not device)


def _throttles(log: EventLog, starts: Ints) -> Ints:
    """Throttle after each sync: a step is taken at its end (migration_trigger_throttle)."""
    marks = log.rows("cpu_throttle_set")
    values = log.column("cpu_throttle_set", "percentage")
    stepped = last_within(starts, marks, values)
    before = last_before(starts, marks, values, 0)
    return np.where(stepped == UNKNOWN, before, stepped)
