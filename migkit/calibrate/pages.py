"""Passes over RAM in precopy: how many pages of which kind they sent, and how long they took.

A pass ends when the destination has digested what was written (migkit.oracle.stream), so its
length over its pages is the dearer of the two sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from migkit.guest import Guest
    from migkit.results import Migration

__all__ = ["PassSamples", "pass_samples"]

Floats = np.ndarray
PAGE_BYTES = 4096
_Row = tuple[float, float, float, bool, bool]


@dataclass(frozen=True, eq=False)
class PassSamples:
    """Passes of one migration: arrays of equal length.

    Attributes
    ----------
    normal, zero : ndarray of float
        Pages sent.
    span_ns : ndarray of float
        From the section's start (the final pass: from the end of its sync) to its end.
    fresh : ndarray of bool
        Whether the pass belongs to the first sweep: no page was ever sent before.
    normal: Floats
    zero: Floats
    span_ns: Floats
    final : ndarray of bool
        Whether the guest was stopped for it.
    """

    normal: Floats
    zero: Floats
    span_ns: Floats
    fresh: Floats
    final: Floats

    @classmethod
    def of(cls, rows: list[_Row]) -> PassSamples:
        """Collect rows of (normal, zero, span_ns, fresh, final)."""
        table = np.array(rows, dtype=float).reshape(-1, 5)
        normal, zero, span_ns = table[:, :3].T
        return cls(normal, zero, span_ns, table[:, 3] > 0, table[:, 4] > 0)


def pass_samples(migration: Migration) -> PassSamples:
    """Read the precopy passes whose pages are known in number and in kind.

    Parameters
    ----------
    migration : Migration
        Recorded or simulated; its scenario tells which pages are zero.

    Returns
    -------
    PassSamples
        Passes between the first and the second exact sync are left out: they may send pages of
        both sweeps.
    """
    if migration.scenario is None:
        return PassSamples.of([])
    guest = migration.scenario.guest
    log = migration.source.logs["source"]
    starts = log.rows("savevm_section_start")
    start_ns = log.t_ns[starts]
    nonzero = _nonzero_before(guest)
    passes = migration.iterations
    columns = ("t_ns", "end_ns", "pending_estimate_bytes", "pending_exact_bytes")
    t, end, estimate, exact = (passes[name].to_numpy(float, na_value=np.nan) for name in columns)
    wanted = (passes["decision"] == "iterate") & ~passes["in_postcopy"].fillna(True).astype(bool)
    syncs = 0
    rows: list[_Row] = []
    for k in range(len(passes) - 1):
        synced = bool(np.isfinite(exact[k]))
        syncs += synced
        pages = ((exact[k] if synced else estimate[k]) - estimate[k + 1]) / PAGE_BYTES
        if not wanted.iloc[k] or syncs == 1 or not pages > 0:
            continue
        place = int(np.searchsorted(start_ns, t[k]))
        span = end[k] - start_ns[place]
        if syncs:
            rows.append((pages, 0.0, span, False, False))
            continue
        first = guest.total_pages - int(estimate[k]) // PAGE_BYTES
        normal = float(nonzero[min(first + int(pages), guest.total_pages)] - nonzero[first])
        rows.append((normal, pages - normal, span, True, False))
    return PassSamples.of(rows + _final_pass(migration, syncs))


def _nonzero_before(guest: Guest) -> Floats:
    """Count the pages with data before each page, in scan order."""
    data = np.zeros(guest.total_pages + 1, dtype=np.int64)
    start = 1
    for block in guest.ram_blocks:
        for first, count in block.nonzero:
            data[start + first : start + first + count] = 1
        start += block.pages
    return np.cumsum(data)


def _final_pass(migration: Migration, syncs: int) -> list[_Row]:
    rounds = migration.rounds
    final = rounds[rounds["reason"] == "final"].dropna(subset=["remaining_pages", "end_ns"])
    log = migration.source.logs["source"]
    ends = log.rows("savevm_section_end")
    if syncs < 2 or len(final) != 1:
        return []
    synced_ns = int(final["end_ns"].iloc[0])
    after = ends[log.t_ns[ends] >= synced_ns]
    if not len(after):
        return []
    span = float(log.t_ns[after[0]] - synced_ns)
    return [(float(final["remaining_pages"].iloc[0]), 0.0, span, False, True)]
