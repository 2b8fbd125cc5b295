"""How a migration shows itself: one verdict line, a small table, and where it comes from."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from migkit.units import format_bytes

if TYPE_CHECKING:
    from .migration import Migration


def verdict(migration: Migration) -> str:
    """Say in one line what became of the migration.

    Parameters
    ----------
    migration : Migration
        Any.

    Returns
    -------
    str
        Such as ``idle: completed after 1.2 s, downtime 7 ms``.
    """
    line = f"{migration.name}: {migration.outcome}"
    summary = migration.summary
    if "total-time" in summary:
        line += f" after {summary['total-time'] / 1000:.3g} s"
    if "downtime" in summary:
        line += f", downtime {summary['downtime']} ms"
    return line


def rows(migration: Migration) -> list[tuple[str, str]]:
    """Return the main numbers; what is not known is left out.

    Parameters
    ----------
    migration : Migration
        Any.

    Returns
    -------
    list of (str, str)
        Label and value, at most six.
    """
    counters = migration.counters
    shown: list[tuple[str, Any]] = [("kind", migration.kind)]
    if "transferred_bytes" in counters:
        shown.append(("transferred", format_bytes(counters["transferred_bytes"])))
    if "dirty_sync_count" in counters:
        shown.append(("dirty-bitmap syncs", f"{counters['dirty_sync_count']}"))
    if "normal_pages" in counters:
        pages = f"{counters['normal_pages']} and {counters['duplicate_pages']} zero"
        shown.append(("pages sent", pages))
    if counters.get("postcopy_requests"):
        shown.append(("pages asked for", f"{counters['postcopy_requests']}"))
    shown.append(("destination", migration.destination_state))
    return shown


def text(migration: Migration) -> str:
    """Return verdict and numbers as plain text."""
    lines = [f"Migration {verdict(migration)}"]
    lines += [f"  {label}: {value}" for label, value in rows(migration)]
    return "\n".join(lines)


def html(migration: Migration) -> str:
    """Return verdict, numbers and folded provenance as HTML; everything in it is escaped."""
    table = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th><td>{escape(value)}</td></tr>"
        for label, value in rows(migration)
    )
    record = json.dumps(migration.provenance, indent=1, ensure_ascii=False, default=str)
    return (
        f"<div><strong>{escape(verdict(migration))}</strong><table>{table}</table>"
        f"<details><summary>provenance</summary><pre>{escape(record)}</pre></details></div>"
    )
