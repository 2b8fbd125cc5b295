"""Two runs beside each other, and `compare`, which makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from migkit.compare import words
from migkit.compare.beside import ALIGNED, counters_beside, frame_beside
from migkit.compare.partings import PENDING, Parting, first_of, partings_of
from migkit.compare.runs import Run, run_of, twin_of
from migkit.frame_rows import frame_rows
from migkit.results import Migration
from migkit.units import parse_duration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GRAIN", "Comparison", "compare"]

GRAIN: Final = "1ms"
"""Grain of the clock by which QEMU reports times."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two runs, aligned; all differences are twin minus real.

    Times are compared on a clock that starts with the first pass of each run, bytes, pages,
    counts and states exactly. What one side cannot tell is no difference: columns that a log does
    not have, what came after a run was last seen, and the final counters of such a run.

    Parameters
    ----------
    real, twin : Migration
        The two runs.
    tolerance_ns : int
        How far apart times may be, in nanoseconds.
    """

    real: Migration
    twin: Migration
    tolerance_ns: int

    @cached_property
    def _frames(self) -> Mapping[str, pd.DataFrame]:
        aligned = {
            name: frame_beside(self.real, self.twin, name, self.tolerance_ns) for name in ALIGNED
        }
        return aligned | {"counters": counters_beside(self.real, self.twin, self.tolerance_ns)}

    @cached_property
    def _partings(self) -> pd.DataFrame:
        return partings_of(self._frames, (self.real, self.twin), self.tolerance_ns)

    @property
    def iterations(self) -> pd.DataFrame:
        """Passes of the migration thread side by side, see `beside.frame_beside`."""
        return self._frames["iterations"].copy(deep=False)

    @property
    def rounds(self) -> pd.DataFrame:
        """Dirty-bitmap syncs side by side, with the same columns."""
        return self._frames["rounds"].copy(deep=False)

    @property
    def windows(self) -> pd.DataFrame:
        """Closed windows of bandwidth side by side, with the same columns."""
        return self._frames["windows"].copy(deep=False)

    @property
    def counters(self) -> pd.DataFrame:
        """Counters at the end side by side: `counter`, `unit`, `real`, `twin`, `difference`."""
        return self._frames["counters"].copy(deep=False)

    @property
    def partings(self) -> pd.DataFrame:
        """For each column the first row in which it parts, in the order in which they do."""
        return self._partings.copy(deep=False)

    @cached_property
    def first(self) -> Parting | None:
        """The first place at which they part; None if they do not."""
        return first_of(self._partings, self._frames)

    @cached_property
    def first_pages(self) -> Parting | None:
        """The first place at which they part in pages, sent, dirtied or pending."""
        pages = self._partings["unit"] == "pages"
        pending = self._partings["counter"].isin(PENDING)
        return first_of(self._partings[pages | pending], self._frames)

    @property
    def same(self) -> bool:
        """Whether they do not part."""
        return self._partings.empty

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values.

        Returns
        -------
        dict
            ``same``, ``sentence``, ``tolerance_ms``, ``real`` and ``twin`` (name, kind and
            outcome), ``first``, ``first_pages``, ``rows`` (how many each aligned frame has, and
            how many of them part), ``partings`` and ``counters``.
        """
        sides = {"real": self.real, "twin": self.twin}
        runs = {
            side: {"name": run.name, "kind": run.kind, "outcome": run.outcome}
            for side, run in sides.items()
        }
        return {
            "same": self.same,
            "sentence": str(self),
            "tolerance_ms": self.tolerance_ns / 1_000_000,
            **runs,
            "first": None if self.first is None else asdict(self.first),
            "first_pages": None if self.first_pages is None else asdict(self.first_pages),
            "rows": {name: self._row_counts(name) for name in ALIGNED},
            "partings": frame_rows(self._partings),
            "counters": frame_rows(self._frames["counters"]),
        }

    def _row_counts(self, name: str) -> dict[str, int]:
        counts = {side: len(getattr(getattr(self, side), name)) for side in ("real", "twin")}
        return {**counts, "parting": int(self._frames[name]["parts"].notna().sum())}

    def __str__(self) -> str:
        """Say where they part in one sentence."""
        return words.sentence(self)

    def __repr__(self) -> str:
        """Return the sentence, and below it where each column parts."""
        return f"{self}\n{words.partings_table(self)}".rstrip()

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return words.html(self)


def compare(
    real: Run, twin: Run | None = None, *, tolerance: str = GRAIN, engine: str = "compiled"
) -> Comparison:
    """Find the first iteration at which two runs part, by how much and in what.

    Parameters
    ----------
    real : Migration or path-like
        A run: a capture's folder, a trace log, a stored migration, or a `Migration`.
    twin : Migration or path-like, optional
        The other one. Left out, the scenario of `real` is simulated.
    tolerance : str
        How far apart times may be, such as ``1ms``: QEMU's own reports have no finer grain.
    engine : {"compiled", "oracle"}
        Which implementation of the model simulates the twin.

    Returns
    -------
    Comparison
        Both runs aligned, and where they part.

    Raises
    ------
    InputError
        The tolerance is no time, a run is neither a `Migration` nor a path, or there is no
        scenario to simulate a twin from.
    CaptureError, TraceLogError, StorageError
        A run cannot be read.
    NotSimulatedError
        The twin would need a capability that is not modelled.

    Examples
    --------
    >>> import migkit
    >>> guest = {"memory": "32MiB", "bandwidth": "16MiB/s", "workload": "uniform:200"}
    >>> run = migkit.simulate(**guest)
    >>> compare(run).same
    True
    >>> first = compare(run, migkit.simulate(**guest | {"memory": "33MiB"})).first
    >>> first.iteration, first.counter, first.pages
    (0, 'pending_estimate_bytes', 256)
    """
    tolerance_ns = parse_duration(tolerance, "tolerance")
    first = run_of(real)
    second = twin_of(first, engine) if twin is None else run_of(twin)
    return Comparison(real=first, twin=second, tolerance_ns=tolerance_ns)
