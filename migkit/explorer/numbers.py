"""The four numbers of a migration, and which limits they break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migkit.results import Migration

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits beside the downtime limit; a manager would give up where one is broken.

    Parameters
    ----------
    total_time_s : float
        Longest migration, seconds.
    memory_sent_times : float
        How often the guest's memory may be sent.
    syncs : int
        Most dirty-bitmap syncs.
    """

    total_time_s: float = 120.0
    memory_sent_times: float = 2.0
    syncs: int = 30


@dataclass(frozen=True)
class Number:
    """One number, its unit, its limit, and whether it breaks it.

    Attributes
    ----------
    name, unit : str
        What it is.
    value : float or None
        None where the run has no such number: it did not complete.
    limit : float
        In the same unit.
    broken : bool
        The value is above the limit, or there is none because the run did not complete.
    """

    name: str
    value: float | None
    unit: str
    limit: float

    @property
    def broken(self) -> bool:
        """Whether the limit is broken."""
        return self.value is None or self.value > self.limit

    def text(self) -> str:
        """Return value and unit as people write them."""
        if self.value is None:
            return "never"
        digits = 1 if self.unit == "s" else 0
        return f"{self.value:,.{digits}f} {self.unit}".rstrip()


def numbers_of(migration: Migration, limits: Limits) -> tuple[Number, ...]:
    """Return total time, downtime, bytes and syncs of a run.

    Parameters
    ----------
    migration : Migration
        A simulated run that knows its scenario.
    limits : Limits
        The limits beside the downtime limit.

    Returns
    -------
    tuple of Number
        Four numbers in that order; total time in s, downtime in ms, bytes in MiB.
    """
    scenario, summary = migration.scenario, migration.summary
    assert scenario is not None  # the explorer simulates from scenarios
    ended = migration.outcome == "completed"
    most_mib = limits.memory_sent_times * scenario.guest.total_bytes / _MIB
    return (
        Number(
            "total time",
            summary["total-time"] / 1000 if ended else None,
            "s",
            limits.total_time_s,
        ),
        Number(
            "downtime",
            float(summary["downtime"]) if ended else None,
            "ms",
            float(scenario.parameters.downtime_limit_ms),
        ),
        Number("sent", summary["ram"]["transferred"] / _MIB, "MiB", most_mib),
        Number("syncs", float(summary["ram"]["dirty-sync-count"]), "", float(limits.syncs)),
    )
