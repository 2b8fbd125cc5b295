"""A stream as text for a terminal, as HTML, and as plain values for JSON."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from migkit.frame_rows import frame_rows
from migkit.text_table import text_table
from migkit.units import format_bytes

if TYPE_CHECKING:
    import pandas as pd

    from .stream import Stream

__all__ = ["html", "report", "to_dict", "verdict"]

_MOST_ROWS = 40
_PAGES = ("normal", "zero", "xbzrle")


def verdict(stream: Stream) -> str:
    """Say in one line what the stream is."""
    machine = stream.configuration.machine or "no machine type"
    counted = stream.counters
    text = f"Stream {stream.name}: {machine}, {format_bytes(stream.size)}"
    if "present-pages" in counted:
        return f"{text}, mapped-ram with {counted['present-pages']} pages"
    sent = counted["normal"] + counted["duplicate"] + counted.get("xbzrle-pages", 0)
    return f"{text}, {sent} pages, {stream.save_complete_pages} of them in save_complete"


def html(stream: Stream) -> str:
    """Return the verdict and the counters as HTML; everything in it is escaped."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{value}</td></tr>"
        for name, value in stream.counters.items()
    )
    broken = f"<p>{escape(str(stream.error))}</p>" if stream.error else ""
    return f"<div><strong>{escape(verdict(stream))}</strong><table>{cells}</table>{broken}</div>"


def report(stream: Stream) -> str:
    """Return everything that a terminal shows: sections, commands, blocks and counters."""
    parts = [verdict(stream), "", _records(stream.records)]
    if stream.ram_blocks:
        parts += ["", _blocks(stream.blocks)]
    if len(stream.packets):
        parts += ["", _packets(stream.packets)]
    if len(stream.messages):
        counts = stream.messages["name"].value_counts(sort=False)
        parts += ["", "return path  " + ", ".join(f"{n} {c}" for n, c in counts.items())]
    if stream.trailing_bytes:
        parts += ["", f"behind the end  {stream.trailing_bytes} B"]
    parts += ["", *(f"{name:<18} {value}" for name, value in stream.counters.items())]
    if "present-pages" not in stream.counters:
        parts.append(f"{'save_complete':<18} {stream.save_complete_pages} pages")
    return "\n".join(parts)


def _number(value: Any) -> str:
    return "-" if value is None else str(value)


def _records(records: pd.DataFrame) -> str:
    """Lay out the records; the middle of very many is left out."""
    if records.empty:
        return "no record"
    hidden = len(records) - _MOST_ROWS
    half = _MOST_ROWS // 2
    shown = records if hidden <= 0 else records.iloc[[*range(half), *range(-half, 0)]]
    lines = text_table([_record(row) for row in frame_rows(shown)], left=["record", "name"]).split(
        "\n"
    )
    if hidden > 0:
        lines.insert(half + 1, f"… {hidden} more, --json has them …")
    return "\n".join(lines)


def _record(row: dict[str, Any]) -> dict[str, str]:
    value = f" {row['value']}" if row["value"] is not None else ""
    shown = {
        "offset": str(row["offset"]),
        "record": ("  " if row["in_package"] else "") + row["kind"],
        "name": (row["name"] or "-") + value,
        "id": _number(row["section_id"]),
        "bytes": str(row["bytes"]),
        "round": _number(row["round"]),
    }
    return shown | {kind: _number(row[f"{kind}_pages"]) for kind in _PAGES}


def _blocks(blocks: pd.DataFrame) -> str:
    columns = ["name", "used_length", "first_page"]
    if blocks["present_pages"].notna().any():
        columns += ["bitmap_offset", "pages_offset", "present_pages"]
    rows = [{n: _number(row[n]) for n in columns} for row in frame_rows(blocks)]
    return text_table(rows, left=["name"])


def _packets(packets: pd.DataFrame) -> str:
    columns = ["bytes", "normal_pages", "zero_pages"]
    groups = packets.groupby(["channel_id", "kind", "method"])
    sums = groups[columns].sum().assign(packets=groups.size()).reset_index()
    rows = [{n: _number(v) for n, v in row.items()} for row in frame_rows(sums)]
    return text_table(rows, left=["kind", "method"])


def to_dict(stream: Stream) -> dict[str, Any]:
    """Return a stream as plain values.

    Parameters
    ----------
    stream : Stream
        Any.

    Returns
    -------
    dict
        ``name``, ``bytes``, ``machine``, ``capabilities``, ``page_size``, ``counters``,
        ``save_complete_pages``, ``error`` and the frames as lists of rows.
    """
    frames = ("records", "rounds", "blocks", "packets", "discards", "messages")
    told = {
        "name": stream.name,
        "bytes": stream.size,
        "machine": stream.configuration.machine,
        "capabilities": list(stream.configuration.capabilities),
        "page_size": stream.page_size,
        "counters": stream.counters,
        "save_complete_pages": stream.save_complete_pages,
        "trailing_bytes": stream.trailing_bytes,
        "error": None if stream.error is None else str(stream.error),
    }
    return told | {name: frame_rows(getattr(stream, name)) for name in frames}
