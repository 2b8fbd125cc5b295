"""The report in a few lines for a terminal."""

from __future__ import annotations

from textwrap import fill, indent
from typing import Any

import pandas as pd

from migkit.evidence.commit import COMMIT, NOTE, TITLE
from migkit.frame_rows import frame_rows
from migkit.report.contents import Report, verdict
from migkit.report.tables import cell_text
from migkit.text_table import text_table

_WIDTH = 100


def report_text(report: Report) -> str:
    """Write the short report.

    Parameters
    ----------
    report : Report
        The contents.

    Returns
    -------
    str
        The trace lines of both rules as the engine gives them, the recorded pairs, the points
        and the sums of the validation.
    """
    evidence = report.evidence
    parts = [
        f"QEMU commit {COMMIT} · {TITLE}",
        fill(verdict(evidence), _WIDTH),
        *(_lines_of(evidence.commit, rule) for rule in ("before", "after")),
        fill(f"Note: {NOTE}", _WIDTH),
        "Pages inside save_complete (share of postcopy), recorded and simulated\n"
        + _pairs(evidence.pairs),
        "The commit's points in numbers\n" + _points(evidence.points),
        _validation_line(report.validation.summary),
    ]
    return "\n\n".join(parts)


def _lines_of(commit: pd.DataFrame, rule: str) -> str:
    lines = commit.loc[commit["rule"] == rule, "simulated"]
    return "\n".join([f"Simulated, completion rule {rule!r}:", *(f"  {line}" for line in lines)])


def _pairs(pairs: pd.DataFrame) -> str:
    rows = []
    for (pair, source), sides in pairs.groupby(["pair", "source"], sort=True):
        row = {"pair": str(pair), "source": str(source)}
        for side in frame_rows(sides):
            share = side["share_of_postcopy_pages_percent"]
            inside = cell_text(side["pages_inside"])
            row[side["rule"]] = inside if share is None else f"{inside} ({share:.1f} %)"
            row[f"{side['rule']} ms"] = cell_text(side["duration_ms"])
        rows.append(row)
    return _table(rows)


def _points(points: pd.DataFrame) -> str:
    shown = points[["point", "what", "unit", "before", "after"]]
    rows = [{name: cell_text(value) for name, value in row.items()} for row in frame_rows(shown)]
    return _table(rows)


def _table(rows: list[dict[str, str]]) -> str:
    left = [name for name in rows[0] if name not in {"before", "after"} and "ms" not in name]
    return indent(text_table(rows, left), "  ")


def _validation_line(summary: dict[str, Any]) -> str:
    median = summary["total_time_median_ape_percent"]
    return (
        f"The twin against {summary['simulated']} of {summary['captures']} recordings: total time "
        f"within {'-' if median is None else f'{median:.2f}'} % (median), precopy bytes exact in "
        f"{summary['precopy_bytes_exact']}, outcome in {summary['outcome_exact']}."
    )
