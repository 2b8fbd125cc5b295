"""What is compared of a migration, be it recorded or simulated: one small record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.capture import read_capture
from migkit.errors import CaptureError
from migkit.validate.folders import REPEATS_FILE, RESULT_FILE

if TYPE_CHECKING:
    from migkit.results import Migration

#: How the recordings name a source that was still at work when watching stopped.
STILL_ACTIVE = "active at the end of observation"

Outcome = str | dict[str, dict[str, str]] | None


@dataclass(frozen=True)
class Observed:
    """The compared values of one migration; None where that side has no value.

    The fields are those of QEMU's ``query-migrate`` on the source (qapi/migration.json), but for
    the outcome and ``ram_save_complete``, which comes from the trace (migration/ram.c
    (ram_save_complete)).
    """

    outcome: Outcome = None
    total_time_ms: int | None = None
    downtime_ms: int | None = None
    dirty_sync_count: int | None = None
    precopy_bytes: int | None = None
    postcopy_bytes: int | None = None
    multifd_bytes: int | None = None
    normal_pages: int | None = None
    duplicate_pages: int | None = None
    ram_save_complete: tuple[tuple[int, int], ...] | None = None


#: The names of the plain numbers in `Observed`, in order.
NUMBERS = tuple(
    field.name for field in fields(Observed) if field.name not in {"outcome", "ram_save_complete"}
)


def from_summary(
    summary: Mapping[str, Any],
    outcome: Outcome,
    ram_save_complete: tuple[tuple[int, int], ...] | None,
) -> Observed:
    """Pick the compared values out of a ``query-migrate`` reply.

    Parameters
    ----------
    summary : mapping
        The reply, nested as QEMU gives it. Fields that QEMU left out become None.
    outcome : str, dict or None
        How the migration ended.
    ram_save_complete : tuple of (dirty, done) or None
        The lines of that trace event in order; None where the trace point does not exist.

    Returns
    -------
    Observed
        The record.
    """
    ram = summary.get("ram", {})
    return Observed(
        outcome=outcome,
        total_time_ms=summary.get("total-time"),
        downtime_ms=summary.get("downtime"),
        dirty_sync_count=ram.get("dirty-sync-count"),
        precopy_bytes=ram.get("precopy-bytes"),
        postcopy_bytes=ram.get("postcopy-bytes"),
        multifd_bytes=ram.get("multifd-bytes"),
        normal_pages=ram.get("normal"),
        duplicate_pages=ram.get("duplicate"),
        ram_save_complete=ram_save_complete,
    )


def completion_lines(migration: Migration) -> tuple[tuple[int, int], ...]:
    """Return the ``ram_save_complete`` lines of a migration as (dirty, done) pairs."""
    lines = migration.ram_save_complete()
    return tuple(
        (int(dirty), int(done)) for dirty, done in zip(lines["dirty"], lines["done"], strict=True)
    )


def from_capture(folder: Path) -> Observed:
    """Read what came out of a recorded migration.

    Parameters
    ----------
    folder : Path
        The capture.

    Returns
    -------
    Observed
        From ``result.json`` and the source's trace log.

    Raises
    ------
    CaptureError
        If a file is missing or cannot be read.
    """
    result = _read_json(folder / RESULT_FILE)
    if not isinstance(result, dict) or "outcome" not in result:
        raise CaptureError.of(
            f"read {folder / RESULT_FILE}", "no outcome in it", "record the capture again"
        )
    reply = result.get("query_migrate_source")
    if reply is None:
        reply = result.get("final", {}).get("source", {}).get("migration", {})
    return from_summary(reply, result["outcome"], completion_lines(read_capture(folder)))


def repeats_of(folder: Path) -> list[dict[str, Any]]:
    """Return the further recordings of the same scenario, if any were made.

    Parameters
    ----------
    folder : Path
        The capture.

    Returns
    -------
    list of dict
        The entries of ``repeats.json``; their keys are the fields of `Observed`.
    """
    path = folder / REPEATS_FILE
    return list(_read_json(path)) if path.is_file() else []


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CaptureError.of(
            f"read {path}", "no such file", "give the whole capture folder"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CaptureError.of(
            f"read {path}", f"not readable as JSON: {error}", "give an undamaged capture"
        ) from error
