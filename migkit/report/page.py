"""The report as one HTML page without references to anything outside it."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

import pandas as pd

from migkit.evidence.commit import COMMIT, NOTE, TITLE
from migkit.report.contents import Report, verdict
from migkit.report.tables import cut_strips, definitions, flatten, picture, table
from migkit.style import SIDE_COLOURS
from migkit.validate import validation_table


def report_html(report: Report) -> str:
    """Write the report as a page.

    Parameters
    ----------
    report : Report
        The contents; all text of it is escaped.

    Returns
    -------
    str
        A whole HTML document.
    """
    evidence = report.evidence
    parts = {
        "commit": escape(COMMIT),
        "title": escape(TITLE),
        "verdict": escape(verdict(evidence)),
        "note": escape(NOTE),
        "before_colour": SIDE_COLOURS["before"],
        "after_colour": SIDE_COLOURS["after"],
        "lines": table(evidence.commit, monospace=True),
        "fitted": definitions(report.fitted),
        "pairs": table(_grouped(evidence.pairs)),
        "slow": escape(evidence.slow_scenario.name),
        "points": table(evidence.points),
        "services": table(evidence.services),
        "boundaries": table(_decisions(evidence.boundaries)),
        "cuts": cut_strips(evidence.cuts),
        "pictures": "\n".join(map(picture, report.pictures)),
        "validation": f"<pre>{escape(validation_table(report.validation))}</pre>",
        "provenance": definitions(flatten(report.provenance)),
    }
    page = files("migkit.report").joinpath("page.html").read_text(encoding="utf-8")
    return Template(page).substitute(parts)


def _grouped(pairs: pd.DataFrame) -> pd.DataFrame:
    """Name each pair in its first row only; outcomes stand in the table of all recordings."""
    shown = pairs.drop(columns="outcome")
    return shown.assign(pair=shown["pair"].mask(shown["pair"].duplicated(), ""))


def _decisions(boundaries: pd.DataFrame) -> pd.DataFrame:
    columns = ["point", "case", "pending_bytes", "threshold_bytes"]
    columns += ["exact_before", "exact_after", "before", "after", "differ"]
    return boundaries[columns]
