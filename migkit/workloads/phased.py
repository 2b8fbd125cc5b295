"""Workloads that follow each other in time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from migkit.errors import WorkloadError
from migkit.workloads.patterns import Workload

__all__ = ["Phase", "Phases"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A workload and how long it lasts.

    Parameters
    ----------
    workload : Workload
        What is written; not itself made of phases.
    duration_ms : int
        Guest time it lasts, milliseconds, 1 or more.
    """

    workload: Workload
    duration_ms: int

    def __post_init__(self) -> None:
        """Check workload and duration."""
        if not isinstance(self.workload, Workload) or isinstance(self.workload, Phases):
            raise WorkloadError.of(
                f"phase of {type(self.workload).__name__}",
                "allowed any workload that is not made of phases itself",
                "list the inner phases one by one",
            )
        if isinstance(self.duration_ms, bool) or not 1 <= self.duration_ms <= 10**12:
            raise WorkloadError.of(
                f"phase of {self.duration_ms} ms", "allowed 1 ms or more", "give a duration"
            )


@dataclass(frozen=True, kw_only=True)
class Phases(Workload):
    """Workloads that follow each other, again from the first after the last.

    Rate, working set and seed are those of each phase; the fields of the same name here say only
    what holds data when migration starts.

    Parameters
    ----------
    phases : tuple of Phase
        One at least.
    """

    kind = "phases"

    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        """Check that there are phases."""
        super().__post_init__()
        object.__setattr__(self, "phases", tuple(self.phases))
        if not self.phases:
            raise WorkloadError.of(
                "phases workload", "no phases", "write phases:uniform:20000@3s+idle@2s"
            )

    def within(self, memory_pages: int) -> Self:
        """Fit every phase into a guest; see `Workload.within`."""
        fitted = tuple(
            dataclasses.replace(phase, workload=phase.workload.within(memory_pages))
            for phase in self.phases
        )
        extents = [phase.workload.touched for phase in fitted]
        first = min(start for start, _ in extents)
        end = max(start + count for start, count in extents)
        span: dict[str, Any] = {
            "base_page": first,
            "pages": end - first,
            "total_pages": end - first,
        }
        return dataclasses.replace(self, phases=fitted, **span)

    def seeded(self, seed: int) -> Self:
        """Return a copy with another seed in every phase; see `Workload.seeded`."""
        phases = tuple(
            dataclasses.replace(phase, workload=phase.workload.seeded(seed + index))
            for index, phase in enumerate(self.phases)
        )
        return dataclasses.replace(self, phases=phases, seed=seed)
