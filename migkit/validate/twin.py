"""Predict a capture from its ``scenario.json`` alone; nothing else of the capture is opened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from migkit.errors import NotSimulatedError
from migkit.scenario import Scenario
from migkit.simulate import simulate
from migkit.validate.observed import (
    STILL_ACTIVE,
    Observed,
    Outcome,
    completion_lines,
    from_summary,
)

if TYPE_CHECKING:
    from migkit.results import Migration

CUT_COMMAND = "cut"
INTERVAL_PERCENT = 90.0


@dataclass(frozen=True)
class Prediction:
    """What the twin says of one capture.

    Attributes
    ----------
    observed : Observed or None
        The predicted values; None when the scenario uses what is not simulated.
    not_simulated : tuple of str
        QEMU's names of the capabilities that are missing from the engine.
    seconds_to_simulate : float or None
        Wall time of the one simulation, scenario already read.
    margin_ms : float or None
        How much longer or shorter the guest would have had to write to turn a decision.
    intervals : mapping
        Number to the two ends of its 90 % interval; empty without replicates.
    """

    observed: Observed | None
    not_simulated: tuple[str, ...] = ()
    seconds_to_simulate: float | None = None
    margin_ms: float | None = None
    intervals: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def predict(folder: Path, engine: str = "compiled", replicates: int = 0) -> Prediction:
    """Simulate the scenario of a capture.

    Parameters
    ----------
    folder : Path
        The capture; only its ``scenario.json`` is read.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    replicates : int
        How many runs with noise give the intervals.

    Returns
    -------
    Prediction
        The values, or the names of what is not simulated.
    """
    try:
        scenario = Scenario.from_capture(folder)
        start = time.perf_counter()
        migration = simulate(scenario, engine=engine)
        seconds = time.perf_counter() - start
    except NotSimulatedError as error:
        return Prediction(observed=None, not_simulated=error.capabilities)
    observed = from_summary(
        migration.summary,
        predicted_outcome(scenario, migration, engine),
        completion_lines(migration),
    )
    return Prediction(
        observed=observed,
        seconds_to_simulate=seconds,
        margin_ms=migration.margin_ms,
        intervals=predicted_intervals(scenario, replicates, engine) if replicates else {},
    )


def predicted_intervals(
    scenario: Scenario, replicates: int, engine: str = "compiled"
) -> dict[str, tuple[int, int]]:
    """Return the 90 % interval of each number over runs with noise.

    Parameters
    ----------
    scenario : Scenario
        What is simulated.
    replicates : int
        How often.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    dict of str to (int, int)
        Numbers that no replicate has a value of are left out.
    """
    ends = simulate(scenario, engine=engine, replicates=replicates).intervals(INTERVAL_PERCENT)
    known = ends[["low", "high"]].dropna()
    pairs = zip(known.index.tolist(), known.astype("int64").to_numpy().tolist(), strict=True)
    return {name: (low, high) for name, (low, high) in pairs}


def predicted_outcome(scenario: Scenario, migration: Migration, engine: str) -> Outcome:
    """Say how a simulated migration ended, in the words and the shape of the recordings.

    A recording of a cut connection tells the states of both sides twice: after the cut, before
    anyone tries to recover, and at the end. For the first the scenario is simulated once more
    up to the command that follows the cut.
    """
    cut = _cut_position(scenario)
    if cut is None:
        watched = scenario.observe_for_s is not None and migration.outcome == "active"
        return STILL_ACTIVE if watched else migration.outcome
    after_cut = migration
    if cut + 1 < len(scenario.timeline):
        until_recovery = replace(
            scenario,
            timeline=scenario.timeline[: cut + 1],
            observe_for_s=scenario.timeline[cut + 1].at_s,
        )
        after_cut = simulate(until_recovery, engine=engine)
    return {"after_cut": _both_states(after_cut), "final": _both_states(migration)}


def _cut_position(scenario: Scenario) -> int | None:
    commands = [item.command for item in scenario.timeline]
    return commands.index(CUT_COMMAND) if CUT_COMMAND in commands else None


def _both_states(migration: Migration) -> dict[str, str]:
    return {"source": migration.outcome, "destination": migration.destination_state}
