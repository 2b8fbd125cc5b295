"""Frames as HTML: titles that people read, numbers that line up, all text escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from migkit.evidence.cuts import LOST
from migkit.frame_rows import frame_rows
from migkit.report.contents import Picture

_TITLES = {
    "dirty_at_start": "dirty at done=0",
    "dirty_at_end": "dirty at done=1",
    "pages_inside": "pages inside",
    "share_of_postcopy_pages_percent": "% of postcopy pages",
    "share_of_postcopy_time_percent": "% of postcopy time",
    "duration_ms": "save_complete ms",
    "postcopy_ms": "postcopy ms",
    "exact_queries_in_postcopy": "exact queries",
    "pending_at_completion_bytes": "pending at completion, B",
    "commit_message": "commit message",
    "pending_bytes": "pending B",
    "threshold_bytes": "threshold B",
    "exact_before": "exact asked before",
    "exact_after": "exact asked after",
    "longest_wait_ms": "longest wait ms",
    "times_served": "times served",
    "served_bytes": "bytes served",
    "tail_ms": "tail ms",
}
_NO_VALUE = "–"
_SMALLEST = 0.001
#: Figures wider than this are drawn for both columns of a paper.
_SINGLE_COLUMN_PT = 300
_STRIP_WIDTH, _STRIP_HEIGHT = 960, 26


def table(frame: pd.DataFrame, *, monospace: bool = False) -> str:
    """Write a frame as an HTML table.

    Parameters
    ----------
    frame : DataFrame
        Any; a column ``rule`` colours its rows, a true ``differ`` marks them.
    monospace : bool
        Set the text in a fixed-width face, for lines of a log.

    Returns
    -------
    str
        The table in a box that scrolls sideways when it is too wide.
    """
    shown = [str(name) for name in frame if name != "differ"]
    entries = frame_rows(frame)
    head = "".join(_title(name, [row[name] for row in entries]) for name in shown)
    rows = []
    for row in entries:
        classes = [str(row["rule"])] if "rule" in row else []
        if row.get("differ"):
            classes.append("differ")
        cells = "".join(_cell(row[name]) for name in shown)
        rows.append(f'<tr class="{escape(" ".join(classes))}">{cells}</tr>')
    face = ' class="log"' if monospace else ""
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table{face}><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _title(name: str, values: list[Any]) -> str:
    return f"<th{_kind(all(map(_lines_up, values)))}>{escape(_TITLES.get(name, name))}</th>"


def _cell(value: Any) -> str:
    return f"<td{_kind(_lines_up(value))}>{escape(cell_text(value))}</td>"


def _lines_up(value: Any) -> bool:
    """Whether a value is set on the right: a number, or a dash among numbers."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number or value is None


def _kind(right: bool) -> str:
    return ' class="number"' if right else ""


def cell_text(value: Any) -> str:
    """Write one value: whole numbers grouped, others to three digits, nothing as a dash.

    Examples
    --------
    >>> cell_text(9627), cell_text(14.8179), cell_text(4e-05), cell_text(None), cell_text(True)
    ('9,627', '14.8', '< 0.001', '–', 'yes')
    """
    if value is None:
        return _NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and 0 < abs(value) < _SMALLEST:
        return f"< {_SMALLEST}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def definitions(entries: Mapping[str, Any]) -> str:
    """Write names and texts as a definition list."""
    lines = (
        f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in entries.items()
    )
    return f"<dl>{''.join(lines)}</dl>"


def flatten(entries: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Join the names of nested mappings with a dot.

    Examples
    --------
    >>> flatten({"versions": {"python": "3.11"}, "seed": 1})
    {'versions.python': '3.11', 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = value
    return flat


def picture(shown: Picture) -> str:
    """Put a figure into the page. As an image its names cannot clash with another figure's."""
    content = shown.svg.read_bytes()
    data = base64.b64encode(content).decode("ascii")
    title = escape(shown.title)
    width = re.search(rb'<svg[^>]* width="([\d.]+)pt"', content)
    wide = ' class="wide"' if width and float(width[1]) > _SINGLE_COLUMN_PT else ""
    return (
        f'<figure{wide}><img alt="{title}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{title}</figcaption></figure>"
    )


def cut_strips(cuts: pd.DataFrame) -> str:
    """Draw the tried cuts as one strip for each rule: a block a moment, dark where it is lost.

    Parameters
    ----------
    cuts : DataFrame
        ``rule``, ``ms_since_postcopy_began``, ``source``, ``destination``, ``fate``.

    Returns
    -------
    str
        Inline SVG pictures with a caption each.
    """
    strips = []
    for rule, tried in cuts.groupby("rule", sort=False):
        rows = frame_rows(tried)
        width = _STRIP_WIDTH / len(rows)
        blocks = "".join(_block(row, i * width, width - 1) for i, row in enumerate(rows))
        lost = sum(row["fate"] == LOST for row in rows)
        strips.append(
            f'<div class="strip"><span>{escape(str(rule))}</span>'
            f'<svg viewBox="0 0 {_STRIP_WIDTH} {_STRIP_HEIGHT}" role="img" '
            f'aria-label="{lost} of {len(rows)} cuts lose the guest">{blocks}</svg>'
            f"<span>{lost} of {len(rows)} lost</span></div>"
        )
    return "\n".join(strips)


def _block(cut: dict[str, Any], x: float, width: float) -> str:
    kind = cut["fate"].replace(" ", "-")
    ends = f"guest {cut['fate']}, source {cut['source']}, destination {cut['destination']}"
    title = escape(f"{cut['ms_since_postcopy_began']:.1f} ms: {ends}")
    place = f'x="{x:.2f}" y="0" width="{width:.2f}" height="{_STRIP_HEIGHT}"'
    return f'<rect class="{kind}" {place}><title>{title}</title></rect>'
