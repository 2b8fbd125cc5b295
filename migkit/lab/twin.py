"""A scenario run twice: by a real pair, and simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from migkit.lab.running import run
from migkit.simulate import simulate
from migkit.text_table import text_table

if TYPE_CHECKING:
    from migkit.capture import Capture
    from migkit.results import Migration
    from migkit.scenario import Scenario

__all__ = ["Twins", "run_twins"]

_COMPARED = (
    ("total-time", "ms"),
    ("downtime", "ms"),
    ("dirty-sync-count", ""),
    ("precopy-bytes", ""),
    ("downtime-bytes", ""),
    ("postcopy-bytes", ""),
    ("normal", "pages"),
    ("duplicate", "pages"),
    ("postcopy-requests", ""),
)


@dataclass(frozen=True)
class Twins:
    """The same scenario, really run and simulated.

    Parameters
    ----------
    real : Capture
        The recording.
    simulated : Migration
        The simulation of the scenario that the recording tells: with the moments at which each
        command was really given.
    """

    real: Capture
    simulated: Migration

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers beside each other.

        Returns
        -------
        list of dict
            ``value``, ``real``, ``simulated`` for the outcome and each number of query-migrate
            that both have.
        """
        found: list[dict[str, Any]] = [
            {
                "value": "outcome",
                "real": self.real.outcome,
                "simulated": self.simulated.outcome,
            }
        ]
        pair = [{**side.summary, **side.summary.get("ram", {})} for side in self._sides()]
        for name, unit in _COMPARED:
            values = [side.get(name) for side in pair]
            if any(values):
                found.append(
                    {
                        "value": f"{name} ({unit})" if unit else name,
                        "real": values[0],
                        "simulated": values[1],
                    }
                )
        return found

    def _sides(self) -> tuple[Migration, Migration]:
        return self.real, self.simulated

    def __str__(self) -> str:
        """Lay the numbers out."""
        rows = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in self.rows()
        ]
        return text_table(rows, left=["value"])


def run_twins(
    scenario: Scenario | str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    rule: str | None = None,
    qemu: Iterable[str | PathLike[str]] = (),
    engine: str = "compiled",
    say: Callable[[str], None] | None = None,
) -> Twins:
    """Run a scenario on a real pair, then simulate what was run.

    Parameters
    ----------
    scenario, out, rule, qemu, say
        See `migkit.lab.run`.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    Twins
        Both.

    Raises
    ------
    MigkitError
        If either cannot be made.
    """
    real = run(scenario, out, rule=rule, qemu=qemu, say=say)
    return Twins(real, simulate(real.scenario, engine=engine))
