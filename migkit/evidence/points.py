"""Each of the commit's points by a number, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from migkit.evidence.cuts import unrecoverable_share_percent
from migkit.evidence.pairs import RULES
from migkit.evidence.tail import completion_tail
from migkit.frame_rows import frame_rows

if TYPE_CHECKING:
    from migkit.results import Migration

_TAIL_NUMBERS = (
    ("1", "exact pending queries in postcopy", "exact_queries_in_postcopy", ""),
    ("2", "pending when completion is entered", "pending_at_completion_bytes", "bytes"),
    ("2", "pages moved inside save_complete", "pages_inside", "pages"),
)
_SERVICE_NUMBERS = (
    ("a second iterable served in the tail", "times_served", "times"),
    ("its bytes in the tail", "served_bytes", "bytes"),
    ("its longest wait in the tail", "longest_wait_ms", "ms"),
)
_SIMULATED = "fitted scenario, simulated"


def points_table(
    runs: dict[str, Migration],
    pairs: pd.DataFrame,
    services: pd.DataFrame,
    cuts: pd.DataFrame,
    boundaries: pd.DataFrame,
    slow_name: str,
) -> pd.DataFrame:
    """Give each of the commit's points its numbers, before and after.

    Parameters
    ----------
    runs : dict of str to Migration
        The simulations of the fitted scenario, by rule.
    pairs, services, cuts, boundaries : DataFrame
        The other tables of the evidence.
    slow_name : str
        Name of the recording whose scenario is behind ``services`` and ``cuts``.

    Returns
    -------
    DataFrame
        Columns ``point``, ``what``, ``unit``, ``before``, ``after`` (numbers, or a decision as
        text) and ``source``.
    """
    rows = [
        *_tail_rows(runs, pairs),
        *_service_rows(services, slow_name),
        _cut_row(cuts, slow_name),
        *_decision_rows(boundaries),
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(RULES, object))


def _row(point: str, what: str, unit: str, values: dict[str, Any], source: str) -> dict[str, Any]:
    sides = {rule: values.get(rule) for rule in RULES}
    return {"point": point, "what": what, "unit": unit, **sides, "source": source}


def _tail_rows(runs: dict[str, Migration], pairs: pd.DataFrame) -> list[dict[str, Any]]:
    tails = {rule: completion_tail(runs[rule]) for rule in RULES}
    recorded = pairs[(pairs["source"] == "recorded") & pairs["postcopy_ms"].notna()]
    measured = f"{recorded['pair'].nunique()} recorded pairs"
    rows = []
    for point, what, field, unit in _TAIL_NUMBERS:
        simulated = {rule: getattr(tails[rule], field) for rule in RULES}
        rows.append(_row(point, what, unit, simulated, _SIMULATED))
        most = {rule: recorded.loc[recorded["rule"] == rule, field].max() for rule in RULES}
        rows.append(_row(point, f"{what}, most of any", unit, most, measured))
    return rows


def _service_rows(services: pd.DataFrame, slow_name: str) -> list[dict[str, Any]]:
    source = f"scenario of {slow_name}, simulated"
    by_rule = {row["rule"]: row for row in frame_rows(services)}
    return [
        _row("2a", what, unit, {rule: by_rule[rule][field] for rule in by_rule}, source)
        for what, field, unit in _SERVICE_NUMBERS
    ]


def _cut_row(cuts: pd.DataFrame, slow_name: str) -> dict[str, Any]:
    lost = {rule: unrecoverable_share_percent(cuts[cuts["rule"] == rule]) for rule in RULES}
    moments = f"{len(cuts) // len(RULES)} cuts each, scenario of {slow_name}, simulated"
    return _row("2b", "share of postcopy in which a cut loses the guest", "%", lost, moments)


def _decision_rows(boundaries: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        _row(row["point"], f"decision: {row['case']}", "", row, "the decision functions")
        for row in frame_rows(boundaries)
        if row["point"] in {"3", "4"}
    ]
