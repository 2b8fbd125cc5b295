"""Decision margins: how far the comparisons of each pass were from another answer.

Bytes that decide nothing have no margin: a comparison counts where the decision functions give
one answer just below the threshold and another just above it. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from migkit._engine import decisions
from migkit.schema import DECISIONS, MARGINS

from .frames import as_schema
from .pending import pending_sizes

if TYPE_CHECKING:
    import pandas as pd

    from .access import Frames

PAGE_BYTES: Final = 4096
NS_PER_MS: Final = 1_000_000
_EXACT, _COMPLETE, _POSTCOPY = "exact_wanted", DECISIONS[1], DECISIONS[2]
_DTYPES: Final = {
    "t_ns": "Int64",
    "pending_bytes": "Int64",
    "threshold_size_bytes": "Int64",
    "bytes_per_ms": "float64",
}
_PERIODIC: Final = ("setup", "exact", "timer")
"""Syncs while the guest runs; the others come right after one of these."""


def margins_frame(migration: Frames) -> pd.DataFrame:
    """Hold every deciding comparison of a migration against its threshold.

    Parameters
    ----------
    migration : Frames
        Simulated or recorded. Without a scenario the completion rule is the one before the
        rewrite if exact sizes were asked for in postcopy, otherwise the one after.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.MARGINS`, a row a comparison; without rows where the log does
        not tell pending sizes (QEMU 11.1).
    """
    import pandas as pd

    passes = migration.iterations
    passes["in_postcopy"] = passes["in_postcopy"].fillna(False)  # a log without states
    must = must_precopy_bytes(migration)
    per_ms = dirtied_bytes_per_ms(migration, passes)
    after = rule_after(migration)
    known = passes["pending_estimate_bytes"].notna() & passes["threshold_size_bytes"].notna()
    if after:  # no threshold counts in postcopy any longer (completion_after)
        known &= ~passes["in_postcopy"]
    rows = [
        (row.t_ns, name, pending, row.threshold_size_bytes, rate)
        for row, least, rate in zip(
            passes[known].itertuples(), compress(must, known), per_ms[known], strict=True
        )
        for name, pending in comparisons(row, least, after)
    ]
    columns = ["t_ns", "decision", "pending_bytes", "threshold_size_bytes", "bytes_per_ms"]
    frame = pd.DataFrame(rows, columns=columns).astype(_DTYPES)
    bytes_off = (frame["pending_bytes"] - frame["threshold_size_bytes"]).abs()
    frame["margin_bytes"] = bytes_off
    frame["margin_ms"] = bytes_off.astype("float64") / frame.pop("bytes_per_ms")
    return as_schema(frame, MARGINS)


def comparisons(row: Any, must: int | None, after: bool) -> Iterator[tuple[str, int]]:
    """Yield what one pass compared with the threshold, and how many bytes were pending then.

    Parameters
    ----------
    row : named tuple
        A row of the iterations.
    must : int or None
        Bytes that cannot wait for postcopy; None for all of them.
    after : bool
        The completion rule.

    Yields
    ------
    (str, int)
        ``exact_wanted``, or the decision that the other side of the threshold takes from the
        pass or gives to it.
    """
    import pandas as pd

    postcopy, threshold = bool(row.in_postcopy), int(row.threshold_size_bytes)
    estimate = int(row.pending_estimate_bytes)
    exact = row.pending_exact_bytes
    pending = estimate if pd.isna(exact) else int(exact)
    started = row.decision == _POSTCOPY

    def wanted(size: int) -> bool:
        if after:
            return decisions.exact_wanted_after(postcopy, size, threshold)
        return decisions.exact_wanted_before(size, threshold)

    def decided(size: int) -> int:
        rule = decisions.completion_after if after else decisions.completion_before
        able = decisions.can_switchover(False, not postcopy, False)
        least = size if must is None or must == pending else must
        return rule(postcopy, size, least, threshold, able, started)

    asked_anyway = pd.notna(exact) and not wanted(estimate)  # QEMU 11.1 with postcopy-ram
    if changes(wanted, threshold) and not asked_anyway:
        yield _EXACT, estimate
    if changes(decided, threshold):
        yield (_POSTCOPY if started else _COMPLETE), pending


def changes(answer: Callable[[int], int], threshold: int) -> bool:
    """Return whether the answer below the threshold is another than above it."""
    return answer(max(threshold - 1, 0)) != answer(threshold + 1)


def rule_after(migration: Frames) -> bool:
    """Return whether the migration completes by the rule after the rewrite."""
    if migration.scenario is not None:
        return migration.scenario.completion_rule == "after"
    passes = migration.iterations
    asked = passes["in_postcopy"].fillna(False) & passes["pending_exact_bytes"].notna()
    return not bool(asked.any())


def must_precopy_bytes(migration: Frames) -> list[int | None]:
    """Return for each pass what could not wait for postcopy, None where the log is silent."""
    passes = migration.iterations
    log = migration.source.logs.get("source")
    if log is None:
        return [None] * len(passes)
    pending = pending_sizes(log)
    estimates = pending.estimates.must_precopy.tolist()
    exacts = iter(pending.exact.must_precopy.tolist())
    if len(estimates) != len(passes):
        return [None] * len(passes)
    asked = passes["pending_exact_bytes"].notna()
    return [
        next(exacts, estimate) if exact else estimate
        for estimate, exact in zip(estimates, asked, strict=True)
    ]


def dirtied_bytes_per_ms(migration: Frames, passes: pd.DataFrame) -> np.ndarray:
    """Return for each pass how fast the guest dirtied clean pages up to its sync.

    Bytes per millisecond between two syncs, of the last pair that found dirty pages; of the
    first such pair for the passes before it. NaN in postcopy and where no sync found any.
    """
    rounds = migration.rounds
    rounds = rounds[rounds["reason"].isin(_PERIODIC)]
    at = rounds["t_ns"].to_numpy("float64", na_value=np.nan)
    found = rounds["new_dirty_pages"].to_numpy("float64", na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = found * PAGE_BYTES / (np.diff(at, prepend=np.nan) / NS_PER_MS)
    known = np.isfinite(rates) & (rates > 0)
    if not known.any():
        return np.full(len(passes), np.nan)
    starts = passes["t_ns"].to_numpy("float64", na_value=np.nan)
    bounds = np.append(starts[1:], np.inf)
    last = np.searchsorted(at[known], bounds) - 1
    in_postcopy = passes["in_postcopy"].to_numpy(bool)
    return np.where(in_postcopy, np.nan, rates[known][np.maximum(last, 0)])
