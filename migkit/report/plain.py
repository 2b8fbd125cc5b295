"""The report as plain values, for JSON."""

from __future__ import annotations

from typing import Any

from migkit.evidence.commit import COMMIT, NOTE
from migkit.frame_rows import frame_rows
from migkit.report.contents import Report, verdict

_TABLES = ("commit", "pairs", "points", "boundaries", "services", "cuts")


def report_dict(report: Report) -> dict[str, Any]:
    """Return the report's tables as plain values.

    Parameters
    ----------
    report : Report
        The contents.

    Returns
    -------
    dict
        ``commit``, ``verdict``, ``note``, ``tables`` (name to rows), ``validation``,
        ``figures``, ``fitted`` and ``provenance``.
    """
    evidence = report.evidence
    return {
        "commit": COMMIT,
        "verdict": verdict(evidence),
        "note": NOTE,
        "tables": {name: frame_rows(getattr(evidence, name)) for name in _TABLES},
        "validation": _without_clock(report.validation.to_dict()),
        "figures": [picture.title for picture in report.pictures],
        "fitted": dict(report.fitted),
        "provenance": dict(report.provenance),
    }


def _without_clock(validation: dict[str, Any]) -> dict[str, Any]:
    """Leave out how long the machine took: two reproductions shall be equal."""
    for entry in validation["captures"]:
        del entry["seconds_to_simulate"]
    return validation
