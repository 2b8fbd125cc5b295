"""One scenario simulated many times with the noise of its machine: what may come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from migkit.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from migkit.scenario import Scenario

__all__ = ["Replicates"]

_VALUES = (
    "total_time_ms",
    "downtime_ms",
    "dirty_sync_count",
    "normal_pages",
    "duplicate_pages",
    "precopy_bytes",
    "postcopy_bytes",
    "multifd_bytes",
)


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """The values of many runs of one scenario.

    Parameters
    ----------
    name : str
        The scenario's.
    runs : DataFrame
        One row a replicate: ``replicate``, ``outcome`` and the numbers of query-migrate, with
        units in their names.
    """

    name: str
    runs: pd.DataFrame

    @classmethod
    def of(cls, scenario: Scenario, ends: Iterable[Mapping[str, Any]]) -> Replicates:
        """Collect the values of runs, in order.

        Parameters
        ----------
        scenario : Scenario
            What was simulated.
        ends : iterable of mapping
            ``outcome`` and the counters of each run.

        Returns
        -------
        Replicates
            Their values.
        """
        import pandas as pd

        rows = []
        for number, values in enumerate(ends):
            known = {name: values.get(name) for name in _VALUES}
            rows.append({"replicate": number, "outcome": values["outcome"], **known})
        kinds = {"outcome": "str"} | dict.fromkeys(("replicate", *_VALUES), "Int64")
        return cls(scenario.name, pd.DataFrame(rows).astype(kinds))

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each replicate; the caller's own copy."""
        return self.runs.copy()

    def quantiles(self, *shares: float) -> pd.DataFrame:
        """Return values that a share of the replicates does not exceed.

        Parameters
        ----------
        *shares : float
            From 0 to 1.

        Returns
        -------
        DataFrame
            A row for each number, a column for each share; values that came out of a run.

        Raises
        ------
        InputError
            If a share is not from 0 to 1.
        """
        for share in shares:
            if not 0 <= share <= 1:
                raise InputError.of(f"share {share!r}", "allowed 0 to 1", "give such a share")
        numbers = self.runs[list(_VALUES)].astype("float64")
        return numbers.quantile(list(shares), interpolation="nearest").T

    def intervals(self, percent: float = 90.0) -> pd.DataFrame:
        """Return the middle part of each number's distribution.

        Parameters
        ----------
        percent : float
            Share of the replicates between both ends.

        Returns
        -------
        DataFrame
            A row for each number; ``low``, ``median`` and ``high``.

        Raises
        ------
        InputError
            If `percent` is not from 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise InputError.of(f"percent {percent!r}", "allowed 0 to 100", "give such a number")
        tail = (1 - percent / 100) / 2
        frame = self.quantiles(tail, 0.5, 1 - tail)
        frame.columns = ["low", "median", "high"]
        return frame

    @property
    def sentence(self) -> str:
        """Outcomes, and 90 % intervals of total time and downtime, in one line."""
        shares = self.runs["outcome"].value_counts(normalize=True)
        told = ", ".join(f"{name} in {share:.0%}" for name, share in shares.items())
        line = f"{self.name}: {len(self.runs)} replicates, {told}"
        intervals = self.intervals()
        lows, highs = dict(intervals["low"].items()), dict(intervals["high"].items())
        for number, label in (("total_time_ms", "total time"), ("downtime_ms", "downtime")):
            low, high = lows[number], highs[number]
            if low == low:
                line += f"; {label} {low:.0f} to {high:.0f} ms"
        return line

    def __repr__(self) -> str:
        """Return the sentence."""
        return f"Replicates {self.sentence}"

    def _repr_html_(self) -> str:
        """Return sentence and intervals for a notebook."""
        return f"<div><strong>{escape(self.sentence)}</strong>{self.intervals().to_html()}</div>"
