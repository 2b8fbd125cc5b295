"""Spans of the destination's log: each is one cost by itself, so no twin has to be asked.

Both sides of a capture have one clock. What the link takes of a span between the sides is taken
off by the link's latency.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from migkit.calibrate.marks import Floats, checkpoint, marks
from migkit.trace import EventLog
from migkit.trace.eventlog import Ints

if TYPE_CHECKING:
    from migkit.results import Migration

__all__ = ["DESTINATION_SPANS", "destination_spans_of"]

_DISCARD = "POSTCOPY_RAM_DISCARD"
_FEWEST_DISCARDS = 10
_COMMAND_BYTES, _RANGE_BYTES = 3, 16  # a discard's version, name length and end; one range
_NOTHING: Final = np.array([])

_PRECOPY_STEPS = (
    ("landing.bh_ns", "dst-precopy-loadvm-completed"),
    ("landing.announce_ns", "dst-precopy-bh-enter"),
    ("landing.start_ns", "dst-precopy-bh-announced"),
    ("", "dst-precopy-bh-vm-started"),
)
_POSTCOPY_STEPS = (
    ("landing.bh_ns", "dst-precopy-loadvm-completed"),
    ("landing.cpu_sync_ns", "dst-postcopy-bh-enter"),
    ("landing.announce_ns", "dst-postcopy-bh-cpu-synced"),
    ("landing.activate_ns", "dst-postcopy-bh-announced"),
    ("landing.start_ns", "dst-postcopy-bh-cache-invalidated"),
    ("", "dst-postcopy-bh-vm-started"),
)
"""Costs and the checkpoints they begin at; each ends at the next one."""


def _first(log: EventLog | None, rows: Ints) -> float:
    return float(log.t_ns[rows[0]]) if log is not None and len(rows) else np.nan


def _step(name: str) -> Callable[[Migration], Floats]:
    """Make the reader of one step of the destination's start."""
    pairs = [
        (begin, end)
        for steps in (_PRECOPY_STEPS, _POSTCOPY_STEPS)
        for (cost, begin), (_, end) in pairwise(steps)
        if cost == name
    ]

    def read(migration: Migration) -> Floats:
        log = migration.source.logs["dest"]
        found = [
            _first(log, checkpoint(log, end)) - _first(log, checkpoint(log, begin))
            for begin, end in pairs
        ]
        return np.array(found)

    return read


def _latency_ns(migration: Migration) -> int:
    return 0 if migration.scenario is None else migration.scenario.link.latency_ns


def _device_load(migration: Migration) -> Floats:
    """From the last byte to the end of the load, where the destination was not behind before."""
    source, log = migration.source.logs["source"], migration.source.logs["dest"]
    sent = _first(source, checkpoint(source, "src-non-iterable-saved")) + _latency_ns(migration)
    loaded = _first(log, checkpoint(log, "dst-precopy-loadvm-completed"))
    memory = _first(log, marks(log, "vmstate_downtime_load", "idstr", "ram"))
    if len(source.rows("postcopy_start")) or not memory < sent:
        return _NOTHING
    return np.array([loaded - sent])


def _discard_range(migration: Migration) -> Floats:
    """Mean over one run: the commands of a switch come in a row."""
    log = migration.source.logs["dest"]
    rows = marks(log, "loadvm_process_command", "command", _DISCARD)
    if len(rows) < _FEWEST_DISCARDS:
        return _NOTHING
    lengths = log.column("loadvm_process_command", "len")
    is_discard = np.isin(log.rows("loadvm_process_command"), rows)
    # the block's name is in it: a long one counts for a range
    ranges = (lengths[is_discard][:-1] - _COMMAND_BYTES) // _RANGE_BYTES
    return np.array([(log.t_ns[rows[-1]] - log.t_ns[rows[0]]) / ranges.sum()])


def _listen(migration: Migration) -> Floats:
    log = migration.source.logs["dest"]
    done = marks(log, "loadvm_postcopy_handle_listen", "stage", "return")
    packaged = log.rows("loadvm_handle_cmd_packaged")
    return np.array([_first(log, done) - _first(log, packaged)])


def _package_load(migration: Migration) -> Floats:
    log = migration.source.logs["dest"]
    packaged = log.rows("loadvm_handle_cmd_packaged")
    started = checkpoint(log, "dst-postcopy-bh-vm-started")
    return np.array([_first(log, started) - _first(log, packaged)])


def _shut(migration: Migration, postcopy: bool) -> Floats:
    """From the end of the stream at the destination to its SHUT at the source."""
    source, log = migration.source.logs["source"], migration.source.logs["dest"]
    shut = _first(source, source.rows("source_return_path_thread_shut")) - _latency_ns(migration)
    if bool(len(source.rows("postcopy_start"))) != postcopy or migration.outcome != "completed":
        return _NOTHING
    if postcopy:
        return np.array([shut - _first(log, marks(log, "vmstate_downtime_load", "idstr", "ram"))])
    sent = _first(source, checkpoint(source, "src-non-iterable-saved"))
    return np.array([shut - sent - _latency_ns(migration)])


DESTINATION_SPANS: Final[dict[str, Callable[[Migration], Floats]]] = {
    "landing.device_load_ns": _device_load,
    "landing.bh_ns": _step("landing.bh_ns"),
    "landing.cpu_sync_ns": _step("landing.cpu_sync_ns"),
    "landing.announce_ns": _step("landing.announce_ns"),
    "landing.activate_ns": _step("landing.activate_ns"),
    "landing.start_ns": _step("landing.start_ns"),
    "postcopy.discard_range_ns": _discard_range,
    "postcopy.listen_ns": _listen,
    "package_load_ns": _package_load,
    "load_ns": lambda migration: _shut(migration, postcopy=False),
    "postcopy_end_ns": lambda migration: _shut(migration, postcopy=True),
}
"""Cost of the host profile to the spans that are this cost, nanoseconds each."""


def destination_spans_of(migration: Migration) -> dict[str, Floats]:
    """Read the costs that the destination's log of a recorded migration shows directly.

    Parameters
    ----------
    migration : Migration
        A recording with the logs of both sides.

    Returns
    -------
    dict of str to ndarray
        By the names of `DESTINATION_SPANS`; empty arrays for what did not happen.
    """
    if "dest" not in migration.source.logs or "source" not in migration.source.logs:
        return {name: _NOTHING for name in DESTINATION_SPANS}
    found = {name: read(migration) for name, read in DESTINATION_SPANS.items()}
    return {name: values[np.isfinite(values) & (values >= 0)] for name, values in found.items()}
