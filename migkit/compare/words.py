"""How a comparison shows itself: one sentence, and a table of what parts where."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from migkit.frame_rows import frame_rows
from migkit.text_table import text_table
from migkit.units import format_duration

if TYPE_CHECKING:
    from migkit.compare.comparison import Comparison
    from migkit.compare.partings import Parting

_UNKNOWN = "-"
_TEXT_COLUMNS = ("frame", "counter")


def sentence(comparison: Comparison) -> str:
    """Say in one sentence where two runs part, by how much and in what.

    Parameters
    ----------
    comparison : Comparison
        Any.

    Returns
    -------
    str
        One line.
    """
    real, twin = comparison.real, comparison.twin
    pair = f"{real.name} and {'its twin' if real.name == twin.name else twin.name}"
    first = comparison.first
    if first is None:
        names = {"iterations": "passes", "rounds": "rounds", "windows": "windows"}
        compared = [
            f"{min(len(getattr(run, name)) for run in (real, twin))} {told}"
            for name, told in names.items()
        ]
        grain = format_duration(comparison.tolerance_ns)
        told = f"{compared[0]}, {compared[1]} and {compared[2]}"
        return f"{pair} do not part in {told} (times within {grain})."
    return f"{pair} part {_place(comparison, first)}, {_what(first)}{_pages(comparison)}."


def _place(comparison: Comparison, first: Parting) -> str:
    if first.iteration is None:
        return "only at the end" if first.frame == "counters" else f"in {first.frame} {first.row}"
    moment = "" if first.t_ns is None else f" ({first.t_ns / 1e9:.3f} s)"
    return f"in iteration {first.iteration} of {len(comparison.real.iterations)}{moment}"


def _what(first: Parting) -> str:
    kind = {"rounds": "round", "windows": "window"}.get(first.frame)
    where = "" if kind is None else f" of {kind} {first.row}"
    # Times since migrate say little: the two clocks are joined at the first pass.
    values = "" if first.counter == "t_ns" else f" ({first.real} against {first.twin})"
    amounts = (
        (first.pages, "pages"),
        (first.bytes, "bytes"),
        (first.microseconds, "microseconds"),
    )
    told = [f"{_signed(amount)} {unit}" for amount, unit in amounts if amount is not None]
    by = f", by {', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else ""
    by = by or (f", by {told[0]}" if told else "")
    return f"first in {first.counter}{where}{values}{by}"


def _signed(amount: float) -> str:
    """Write a difference; none has no sign."""
    return f"{amount:+,.0f}" if round(amount) else "0"


def _pages(comparison: Comparison) -> str:
    """Say where pages part, if that is later."""
    pages = comparison.first_pages
    if pages is None:
        return "; the pages are the same"
    if pages == comparison.first:
        return ""
    by = "" if pages.pages is None else f" by {_signed(pages.pages)}"
    place = "at the end" if pages.iteration is None else f"in iteration {pages.iteration}"
    return f"; pages part {place}{by}"


def partings_table(comparison: Comparison) -> str:
    """Lay out where each column parts, in the order in which they do.

    Parameters
    ----------
    comparison : Comparison
        Any.

    Returns
    -------
    str
        The table; an empty text if they do not part.
    """
    rows = _rows(comparison)
    return text_table(rows, left=_TEXT_COLUMNS) if rows else ""


def _rows(comparison: Comparison) -> list[dict[str, str]]:
    return [_row(line) for line in frame_rows(comparison.partings)]


def _row(line: dict[str, Any]) -> dict[str, str]:
    at_s = None if line["t_ns"] is None else f"{line['t_ns'] / 1e9:.3f}"
    difference = f"{line['difference']:+,}" if _is_amount(line) else None
    shown = {
        "iteration": line["iteration"],
        "at s": at_s,
        "frame": line["frame"],
        "row": line["row"],
        "counter": line["counter"],
        "real": line["real"],
        "twin": line["twin"],
        "difference": difference,
    }
    return {name: _UNKNOWN if value is None else f"{value}" for name, value in shown.items()}


def _is_amount(line: dict[str, Any]) -> bool:
    """Tell a number from a state or a decision, whose difference is only that there is one."""
    return all((line[side] or "").lstrip("-").isdigit() for side in ("real", "twin"))


def html(comparison: Comparison) -> str:
    """Return the sentence and the table as HTML; everything in it is escaped."""
    rows = _rows(comparison)
    head = "".join(f"<th>{escape(name)}</th>" for name in (rows[0] if rows else ()))
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    table = f"<table><tr>{head}</tr>{body}</table>" if rows else ""
    return f"<div><strong>{escape(sentence(comparison))}</strong>{table}</div>"
