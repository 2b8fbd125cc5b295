"""A calibration on a terminal and in a notebook: two tables, then what needs a sentence."""

from __future__ import annotations

import html
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from migkit.text_table import text_table

if TYPE_CHECKING:
    from migkit.calibrate.calibration import Calibration
    from migkit.calibrate.constant import FittedConstant
    from migkit.calibrate.explanation import CaptureFit, TwinFit
    from migkit.calibrate.scatter import FittedScatter

__all__ = ["report_html", "report_text"]

_NO_VALUE = "-"
_WIDTH = 120
_LEGEND = (
    "total ms is the median of all recordings of a scenario, traced that of the recording with "
    "the logs, which the fit sees; err % is to the median; like counts the numbers that cannot be "
    "told from a further recording; explained is by the fitted profile"
)
Row = dict[str, str]


def report_text(found: Calibration) -> str:
    """Lay a calibration out for a terminal.

    Parameters
    ----------
    found : Calibration
        The result.

    Returns
    -------
    str
        Lines.
    """
    tables = [
        text_table(rows, left=["number", "noise", "capture", "explained", "closer", "note"])
        for rows in _tables(found)
        if rows
    ]
    remarks = (part for line in _remarks(found) for part in wrap(line, _WIDTH))
    return "\n\n".join([*tables, "\n".join(remarks)])


def report_html(found: Calibration) -> str:
    """Lay a calibration out for a notebook.

    Parameters
    ----------
    found : Calibration
        The result.

    Returns
    -------
    str
        HTML.
    """
    remarks = "<br>".join(map(html.escape, _remarks(found)))
    tables = "".join(_html_table(rows) for rows in _tables(found) if rows)
    return f"{tables}<p>{remarks}</p>"


def _html_table(rows: list[Row]) -> str:
    names = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _tables(found: Calibration) -> tuple[list[Row], ...]:
    return (
        [_fitted_row(item) for item in found.constants if item.fitted],
        [_scatter_row(item) for item in found.scatter if item.status == "fitted"],
        [_capture_row(item) for item in found.captures],
    )


def _fitted_row(item: FittedConstant) -> Row:
    return {
        "number": item.name,
        "value": _value(item.value),
        "std err": _value(item.standard_error),
        "90 % interval": f"{item.low} … {item.high}",
        "quartiles": f"{item.quartile_low} … {item.quartile_high}",
        "base": _value(item.base),
        "seen": str(item.observations),
        "captures": str(len(item.captures)),
        "note": item.note,
    }


def _scatter_row(item: FittedScatter) -> Row:
    return {
        "noise": item.name.removeprefix("noise."),
        "values": str(item.values),
        "smallest": _value(item.low),
        "largest": _value(item.high),
        "seen": str(item.observations),
        "captures": str(len(item.captures)),
    }


def _value(value: Any) -> str:
    if value is None:
        return _NO_VALUE
    return f"{len(value)} values" if isinstance(value, tuple) else str(value)


def _capture_row(item: CaptureFit) -> Row:
    row = {
        "capture": item.name,
        "total ms": _NO_VALUE if item.total_time_ms is None else f"{item.total_time_ms:g}",
        "traced": _value(item.traced_ms),
    }
    for name in ("fitted", "shipped"):
        row |= _twin_cells(name, getattr(item, name))
    explained = item.fitted is not None and item.fitted.explained
    told = "yes" if explained else "not simulated" if item.not_simulated else "no"
    return {**row, "explained": told, "closer": item.closer}


def _twin_cells(name: str, twin: TwinFit | None) -> Row:
    if twin is None:
        return {name: _NO_VALUE, f"{name} err %": _NO_VALUE, f"{name} like": _NO_VALUE}
    error = twin.error_percent
    return {
        name: _value(twin.total_time_ms),
        f"{name} err %": _NO_VALUE if error is None else f"{error:+.2f}",
        f"{name} like": f"{twin.alike}/{twin.judged}",
    }


def _remarks(found: Calibration) -> list[str]:
    remarks = [_LEGEND, _count_line(found)]
    for status in ("not identified", "given"):
        reasons: dict[str, list[str]] = {}
        for item in found.kept(status):
            reasons.setdefault(item.note, []).append(item.name)
        remarks += [f"{status}: {note}: {', '.join(names)}" for note, names in reasons.items()]
    remarks += [f"unexplained    {name}: {why}" for name, why in found.unexplained.items()]
    remarks += [
        f"not simulated  {name}: {', '.join(why)}" for name, why in found.not_simulated.items()
    ]
    return [*remarks, *_verdict(found)]


def _count_line(found: Calibration) -> str:
    fitted = sum(item.fitted for item in found.constants)
    return (
        f"{fitted} of {len(found.constants)} numbers fitted on "
        f"{len(found.profile.fitted_on)} captures; the others keep the base's value"
    )


def _verdict(found: Calibration) -> list[str]:
    lines = []
    for name in ("fitted", "shipped"):
        values = found.summary[name]
        error, largest = (values[f"total_time_{kind}_ape_percent"] for kind in ("median", "max"))
        traced = values["traced_median_ape_percent"]
        shown = _NO_VALUE
        if error is not None:
            shown = f"{error:.2f} % (largest {largest:.2f} %, traced recordings {traced:.2f} %)"
        lines.append(
            f"{name:<8} explains {values['explained']} of {values['simulated']} captures; median "
            f"error of the total time {shown}; {values['alike']} of {values['judged']} numbers as "
            "a further recording"
        )
    known = set(found.shipped.fitted_on) & {item.name for item in found.captures}
    closer = found.summary["closer"]
    verdict = {
        "the same": "both are as close",
        "neither": "neither is closer in all three",
    }.get(closer, f"the {closer} one is closer")
    return [
        *lines,
        f"closer: {verdict}. The fit has seen the trace logs of its captures; the shipped profile "
        f"was made from {len(known)} of these {len(found.captures)}",
    ]
