"""Spans that show what a capability costs, in the captures that use it.

They are in the source's log, as those of `spans`, and are compared with the twin's likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from migkit.calibrate.marks import Floats, marks, spans

if TYPE_CHECKING:
    from migkit.results import Migration
    from migkit.scenario import Scenario
    from migkit.trace import EventLog

__all__ = ["CAPABILITY_SPANS", "shows_capability"]

_PAGE_BYTES = 4096
_MANY_ZEROS = 10_000
"""Pages of a pass that only a run of zero pages has: the limiter lets no other go so far."""

_NOTHING: Final = np.array([])


def _open(migration: Migration, log: EventLog) -> Floats:
    """Time the setup of the thread, which opens the channels before the stream's header."""
    setup = marks(log, "migrate_set_state", "new_state", "setup")[:1]
    return spans(log, setup, log.rows("savevm_state_header"))


def _passes(migration: Migration) -> tuple[Floats, Floats, Floats]:
    """Return of each precopy pass its length in ns, its pages, and the exact syncs before it."""
    passes = migration.iterations
    names = ("t_ns", "end_ns", "pending_estimate_bytes", "pending_exact_bytes")
    begun, end, estimate, exact = (
        passes[name].to_numpy(float, na_value=np.nan)[:-1] for name in names
    )
    after = passes["pending_estimate_bytes"].to_numpy(float, na_value=np.nan)[1:]
    syncs = np.cumsum(np.isfinite(exact))
    pages = (np.where(np.isfinite(exact), exact, estimate) - after) / _PAGE_BYTES
    wanted = (passes["decision"] == "iterate").to_numpy()[:-1]
    return (end - begun)[wanted], pages[wanted], syncs[wanted]


def _zero_page(migration: Migration, log: EventLog) -> Floats:
    """Time a page in the long run of zero pages of the first sweep."""
    span_ns, pages, syncs = _passes(migration)
    long = (syncs == 0) & (pages >= _MANY_ZEROS)
    return span_ns[long] / pages[long]


def _write_byte(migration: Migration, log: EventLog) -> Floats:
    """Time a byte of the final pass, in picoseconds; compressed ones are another matter."""
    scenario = migration.scenario
    begun = marks(log, "ram_save_complete", "done", 0)
    dirty = log.column("ram_save_complete", "dirty")
    if scenario is None or scenario.parameters.multifd_compression != "none":
        return _NOTHING
    if len(log.rows("postcopy_start")) or not len(begun) or dirty[0] <= 0:
        return _NOTHING
    span_ns = spans(log, begun[:1], marks(log, "ram_save_complete", "done", 1))
    return span_ns * 1000 / (dirty[0] * _PAGE_BYTES)


def _first_copy(migration: Migration, log: EventLog) -> Floats:
    """Time a page of the second sweep, most of which the cache has not seen before."""
    span_ns, pages, syncs = _passes(migration)
    wanted = (syncs >= 1) & (pages > 0)
    if not wanted.any():
        return _NOTHING
    return np.array([span_ns[wanted].sum() / pages[wanted].sum()])


def _new_channel(migration: Migration, log: EventLog) -> Floats:
    opened = log.rows("postcopy_preempt_new_channel")
    return (log.t_ns[opened] - log.t_ns[opened - 1]).astype(float)


def _connect(migration: Migration, log: EventLog) -> Floats:
    begun = marks(log, "migrate_set_state", "new_state", "postcopy-recover-setup")
    return spans(log, begun, marks(log, "migrate_set_state", "new_state", "postcopy-recover"))


CAPABILITY_SPANS: Final[dict[str, tuple[str, Callable[[Migration, EventLog], Floats]]]] = {
    "multifd.open_ns": ("multifd", _open),
    "multifd.write_byte_ps": ("multifd", _write_byte),
    "multifd.test_zero_page_ns": ("multifd", _zero_page),
    "xbzrle.first_copy_ns": ("xbzrle", _first_copy),
    "preempt_channel_ns": ("postcopy-preempt", _new_channel),
    "postcopy.connect_ns": ("", _connect),
}
"""Cost to the capability that has to be on, and to the spans that show it."""


def shows_capability(name: str, scenario: Scenario) -> bool:
    """Return whether a scenario uses what a cost belongs to.

    Parameters
    ----------
    name : str
        Of `CAPABILITY_SPANS`.
    scenario : Scenario
        Of a capture.

    Returns
    -------
    bool
        A new connection is told by the log alone.
    """
    capability = CAPABILITY_SPANS[name][0]
    return not capability or capability in scenario.capabilities
