"""Points (3) and (4): what both rules decide where they may differ, asked of the rules themselves.

The decision functions are the engine's own (`migkit._engine.decisions`); nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from migkit._engine import decisions
from migkit.schema import DECISIONS

PAGE = 4096
#: A threshold for the cases that need one: 300 ms at 64 MiB/s.
LEVEL = 64 * 1024 * 1024 * 300 // 1000


@dataclass(frozen=True)
class BoundaryCase:
    """One pass of the migration thread, at the edge of a rule.

    Attributes
    ----------
    point : str
        The point of the commit that the case shows; empty where both rules agree.
    case : str
        The case in words.
    in_postcopy, start_postcopy : bool
        Whether the guest runs on the destination; whether postcopy was asked for.
    pending_bytes, must_precopy_bytes, threshold_bytes : int
        What is left, what of it must go before the switch, and the threshold.
    """

    point: str
    case: str
    in_postcopy: bool
    start_postcopy: bool
    pending_bytes: int
    must_precopy_bytes: int
    threshold_bytes: int


def _precopy(point: str, case: str, pending: int, threshold: int) -> BoundaryCase:
    return BoundaryCase(point, case, False, False, pending, pending, threshold)


def _asked(point: str, case: str, pending: int, threshold: int) -> BoundaryCase:
    return BoundaryCase(point, case, False, True, pending, 0, threshold)


def _postcopy(point: str, case: str, pending: int, threshold: int) -> BoundaryCase:
    return BoundaryCase(point, case, True, True, pending, 0, threshold)


CASES = (
    _postcopy("2", "in postcopy, one page below the threshold", LEVEL - PAGE, LEVEL),
    _postcopy("2", "in postcopy, one page left", PAGE, LEVEL),
    _postcopy("", "in postcopy, pending = threshold", LEVEL, LEVEL),
    _postcopy("", "in postcopy, nothing left", 0, LEVEL),
    _postcopy("", "in postcopy, nothing left, threshold 0", 0, 0),
    _postcopy("", "in postcopy, one page left, threshold 0", PAGE, 0),
    _asked("3", "postcopy asked for, pending below the threshold", LEVEL - PAGE, LEVEL),
    _asked("3", "postcopy asked for, nothing left", 0, LEVEL),
    _asked("3", "postcopy asked for, nothing left, threshold 0", 0, 0),
    _asked("", "postcopy asked for, pending = threshold", LEVEL, LEVEL),
    _asked("", "postcopy asked for, pending above the threshold", LEVEL + PAGE, LEVEL),
    _precopy("4", "in precopy, pending = threshold", LEVEL, LEVEL),
    _precopy("4", "in precopy, pending = threshold = one page", PAGE, PAGE),
    _precopy("", "in precopy, one page below the threshold", LEVEL - PAGE, LEVEL),
    _precopy("", "in precopy, one page above the threshold", LEVEL + PAGE, LEVEL),
    _precopy("", "in precopy, nothing left, threshold 0", 0, 0),
    _precopy("", "in precopy, one page left, threshold 0", PAGE, 0),
)


def boundary_table() -> pd.DataFrame:
    """Ask both rules for their decision in every case.

    Returns
    -------
    DataFrame
        A row a case: the fields of `BoundaryCase`, ``exact_before`` and ``exact_after`` (bool:
        the exact size is asked for first), ``before`` and ``after`` (str, of
        `migkit.schema.DECISIONS`) and ``differ`` (bool: the decisions do).

    Notes
    -----
    Switchover is allowed in all cases. Where an exact size is asked for it is taken to equal the
    estimate. The rules are migration/migration.c (migration_iteration_run), before and after
    commit 7aaa1fc072.
    """
    rows = []
    for case in CASES:
        sizes = (case.pending_bytes, case.must_precopy_bytes, case.threshold_bytes)
        state = (case.in_postcopy, *sizes, True, case.start_postcopy)
        before = DECISIONS[decisions.completion_before(*state)]
        after = DECISIONS[decisions.completion_after(*state)]
        looked = (case.pending_bytes, case.threshold_bytes)
        rows.append(
            {
                **vars(case),
                "exact_before": bool(decisions.exact_wanted_before(*looked)),
                "exact_after": bool(decisions.exact_wanted_after(case.in_postcopy, *looked)),
                "before": before,
                "after": after,
                "differ": before != after,
            }
        )
    return pd.DataFrame(rows)
