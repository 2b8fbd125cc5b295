"""A migration as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migkit.frame_rows import frame_rows

if TYPE_CHECKING:
    from migkit.results import Migration

MIB = 1 << 20
_MOST_ROUNDS = 40
_THROTTLE = "cpu_throttle_percentage"
_COLUMNS = {
    "new_dirty_pages": "dirtied pages",
    "remaining_pages": "to send pages",
    "sent_mib": "sent MiB",
    "threshold_mib": "threshold MiB",
    "cpu_throttle_percentage": "throttle %",
}


def rounds_table(migration: Migration) -> str:
    """Lay out the rounds, a line for every dirty-bitmap sync.

    Parameters
    ----------
    migration : Migration
        Simulated or recorded.

    Returns
    -------
    str
        The table; the middle of a very long one is left out.
    """
    import pandas as pd  # takes a second, which --help and errors need not wait for

    rounds = migration.rounds
    if rounds.empty:
        return "no dirty-bitmap sync"
    shown = pd.DataFrame({"at s": rounds["t_ns"] / 1e9, "reason": rounds["reason"].astype(str)})
    shown["took ms"] = (rounds["end_ns"] - rounds["t_ns"]) / 1e6
    sizes = rounds.assign(
        sent_mib=rounds["transferred_bytes"] / MIB,
        threshold_mib=rounds["threshold_size_bytes"] / MIB,
    )
    for column, title in _COLUMNS.items():
        if sizes[column].notna().any() and (column != _THROTTLE or sizes[column].any()):
            shown[title] = sizes[column]
    shown.index = pd.RangeIndex(1, len(shown) + 1)
    decimals = {"at s": 3, "took ms": 3, "sent MiB": 1, "threshold MiB": 1}
    formats = {name: _decimals(digits) for name, digits in decimals.items()}
    return shown.to_string(max_rows=_MOST_ROUNDS, na_rep="-", formatters=formats)


def _decimals(digits: int) -> Any:
    from pandas import isna

    return lambda value: "-" if isna(value) else f"{value:.{digits}f}"


def summary_lines(migration: Migration) -> list[str]:
    """Say how the migration ended and what it took, a line for each thing.

    Parameters
    ----------
    migration : Migration
        Simulated or recorded.

    Returns
    -------
    list of str
        Only what is known of it; the values are those of ``query-migrate``.
    """
    summary, ram = migration.summary, migration.summary.get("ram", {})
    lines = [_line("outcome", f"{migration.outcome} (destination {migration.destination_state})")]
    for field in ("total-time", "setup-time", "downtime", "expected-downtime"):
        if field in summary:
            lines.append(_line(field, f"{summary[field]} ms"))
    for field in ("precopy-bytes", "downtime-bytes", "postcopy-bytes", "multifd-bytes"):
        if ram.get(field):
            lines.append(_line(field, f"{ram[field]} ({ram[field] / MIB:.1f} MiB)"))
    for field in ("normal", "duplicate"):
        if field in ram:
            lines.append(_line(f"{field} pages", str(ram[field])))
    for field in ("dirty-sync-count", "postcopy-requests"):
        if ram.get(field):
            lines.append(_line(field, str(ram[field])))
    if summary.get("cpu-throttle-percentage"):
        lines.append(_line("cpu-throttle", f"{summary['cpu-throttle-percentage']} %"))
    for row in frame_rows(migration.ram_save_complete()):
        moment = "" if row["t_ns"] is None else f"  at {row['t_ns'] / 1e9:.6f} s"
        lines.append(
            _line("ram_save_complete", f"dirty={row['dirty']}, done={row['done']}{moment}")
        )
    return lines


def _line(name: str, text: str) -> str:
    return f"{name:<18} {text}"


def report(migration: Migration) -> str:
    """Return rounds and summary as one text."""
    title = f"{migration.name} ({migration.kind})"
    return "\n".join([title, "", rounds_table(migration), "", *summary_lines(migration)])


def to_dict(migration: Migration) -> dict[str, Any]:
    """Return a migration as plain values.

    Parameters
    ----------
    migration : Migration
        Simulated or recorded.

    Returns
    -------
    dict
        ``name``, ``kind``, ``outcome``, ``destination_state``, ``summary``, ``rounds``,
        ``ram_save_complete``, ``scenario`` and ``provenance``.
    """
    scenario = migration.scenario
    return {
        "name": migration.name,
        "kind": migration.kind,
        "outcome": migration.outcome,
        "destination_state": migration.destination_state,
        "summary": migration.summary,
        "rounds": frame_rows(migration.rounds),
        "ram_save_complete": frame_rows(migration.ram_save_complete()),
        "scenario": None if scenario is None else scenario.to_dict(),
        "provenance": migration.provenance,
    }
