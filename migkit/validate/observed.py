"""What is compared of a migration, be it recorded or simulated: one small record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migkit.capture import Capture
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


def from_capture(capture: Capture) -> Observed:
    """Pick the compared values of a recorded migration.

    Parameters
    ----------
    capture : Capture
        The recording.

    Returns
    -------
    Observed
        From ``result.json`` and the source's trace log. QEMU 10.0 has no trace point
        ``ram_save_complete``: there that field is None.
    """
    outcome = capture.result["outcome"]
    lines = completion_lines(capture)
    without_trace_point = not lines and outcome == "completed"
    return from_summary(capture.summary, outcome, None if without_trace_point else lines)


def all_recordings(capture: Capture) -> dict[str, tuple[int, ...]]:
    """Collect each number over all recordings of the capture's scenario.

    Parameters
    ----------
    capture : Capture
        The recording; further ones are in its ``repeats.json``.

    Returns
    -------
    dict of str to tuple of int
        By the names of `NUMBERS`, this recording first; recordings without a value are left out.
    """
    return {
        number: tuple(
            outcome[number] for outcome in capture.recordings if outcome.get(number) is not None
        )
        for number in NUMBERS
    }
