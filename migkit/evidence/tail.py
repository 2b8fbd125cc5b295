"""What ``save_complete`` moved at the end of one migration, recorded or simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migkit.results import Migration

PAGE_BYTES = 4096
_POSTCOPY_STATES = ("postcopy-device", "postcopy-active")


@dataclass(frozen=True)
class Tail:
    """The end of a migration in numbers; None where it has no such phase or no such event.

    Attributes
    ----------
    dirty_at_start, dirty_at_end : int or None
        Pages of the first (done=0) and the last (done=1) ``ram_save_complete`` line.
    duration_ms : float or None
        Time between the two lines.
    postcopy_pages : int or None
        Pages pending at the first look in postcopy.
    postcopy_ms : float or None
        From entering postcopy to the end of ``save_complete``.
    exact_queries_in_postcopy : int
        Passes in postcopy that asked for the exact pending size.
    pending_at_completion_bytes : int or None
        Pending size with which completion was entered (trace migration_thread_low_pending).
    outcome : str
        Final state of the source.
    """

    dirty_at_start: int | None
    dirty_at_end: int | None
    duration_ms: float | None
    postcopy_pages: int | None
    postcopy_ms: float | None
    exact_queries_in_postcopy: int
    pending_at_completion_bytes: int | None
    outcome: str

    @property
    def pages_inside(self) -> int | None:
        """Pages moved inside ``save_complete``."""
        if self.dirty_at_start is None or self.dirty_at_end is None:
            return None
        return self.dirty_at_start - self.dirty_at_end

    @property
    def share_of_pages_percent(self) -> float | None:
        """Pages moved inside ``save_complete``, in percent of the pages of postcopy."""
        inside = self.pages_inside
        return (
            100 * inside / self.postcopy_pages
            if inside is not None and self.postcopy_pages
            else None
        )

    @property
    def share_of_time_percent(self) -> float | None:
        """Time inside ``save_complete``, in percent of the postcopy phase."""
        if self.duration_ms is None or not self.postcopy_ms:
            return None
        return 100 * self.duration_ms / self.postcopy_ms


def completion_tail(migration: Migration) -> Tail:
    """Measure the end of a migration from its frames.

    Parameters
    ----------
    migration : Migration
        Recorded or simulated; both are measured by this same code.

    Returns
    -------
    Tail
        The numbers.
    """
    lines = migration.ram_save_complete()
    entry, leave = lines[lines["done"] == 0], lines[lines["done"] == 1]
    both = not entry.empty and not leave.empty
    postcopy = migration.iterations[migration.iterations["in_postcopy"] == 1]
    begun_ns = postcopy_begun_ns(migration)
    low_pending = migration.events_of("migration_thread_low_pending")
    return Tail(
        dirty_at_start=int(entry["dirty"].iloc[-1]) if not entry.empty else None,
        dirty_at_end=int(leave["dirty"].iloc[-1]) if not leave.empty else None,
        duration_ms=float(leave["t_ns"].iloc[-1] - entry["t_ns"].iloc[-1]) / 1e6 if both else None,
        postcopy_pages=(
            None
            if postcopy.empty
            else int(postcopy["pending_estimate_bytes"].iloc[0]) // PAGE_BYTES
        ),
        postcopy_ms=(
            float(leave["t_ns"].iloc[-1] - begun_ns) / 1e6
            if both and begun_ns is not None
            else None
        ),
        exact_queries_in_postcopy=int((postcopy["pending_exact_bytes"].fillna(-1) >= 0).sum()),
        pending_at_completion_bytes=(
            None if low_pending.empty else int(low_pending["pending"].iloc[-1])
        ),
        outcome=migration.outcome,
    )


def postcopy_begun_ns(migration: Migration) -> int | None:
    """Return when the source entered postcopy, or None if it never did."""
    changes = migration.events_of("migrate_set_state")
    entered = changes.loc[changes["new_state"].isin(_POSTCOPY_STATES), "t_ns"]
    return None if entered.empty else int(entered.iloc[0])
