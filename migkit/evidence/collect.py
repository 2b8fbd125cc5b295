"""All of the evidence in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from migkit.capture import read_capture
from migkit.errors import ReproduceError
from migkit.evidence.boundaries import boundary_table
from migkit.evidence.commit import commit_table, simulate_commit
from migkit.evidence.cuts import cut_outcomes
from migkit.evidence.pairs import RULES, Pair, find_pairs, pairs_table
from migkit.evidence.points import points_table
from migkit.evidence.service import service_table
from migkit.scenario import Scenario

if TYPE_CHECKING:
    from migkit.results import Migration

#: The pair of recordings that stands beside the commit's own lines, if it is there.
SHOWN_PAIR = "postcopy-uniform"
CUTS = 40
_START = "migrate-start-postcopy"


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that speaks for or against the rewrite, as frames.

    Attributes
    ----------
    pairs : DataFrame
        Recorded pairs and their twins, see `migkit.evidence.pairs_table`.
    commit : DataFrame
        The commit's lines beside ours, see `migkit.evidence.commit_table`.
    points : DataFrame
        A row a number: ``point``, ``what``, ``unit``, ``before``, ``after``, ``source``.
    boundaries : DataFrame
        The decisions at the edges, see `migkit.evidence.boundary_table`.
    services : DataFrame
        The second iterable, see `migkit.evidence.service_table`.
    cuts : DataFrame
        Cuts under both rules: ``rule`` and the columns of `migkit.evidence.cut_outcomes`.
    runs : dict of str to Migration
        The simulations of the fitted scenario, by rule.
    slow_scenario : Scenario
        The scenario behind ``services`` and ``cuts``, see `undisturbed`.
    """

    pairs: pd.DataFrame
    commit: pd.DataFrame
    points: pd.DataFrame
    boundaries: pd.DataFrame
    services: pd.DataFrame
    cuts: pd.DataFrame
    runs: dict[str, Migration]
    slow_scenario: Scenario


def collect(
    captures: Iterable[Path],
    engine: str = "compiled",
    progress: Callable[[str], None] | None = None,
) -> Evidence:
    """Make all of the evidence.

    Parameters
    ----------
    captures : iterable of Path
        Recorded migrations; pairs are found among them.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    progress : callable, optional
        Told in a few words what is being made.

    Returns
    -------
    Evidence
        The frames.

    Raises
    ------
    ReproduceError
        If the captures hold no pair.
    """
    tell = progress or (lambda text: None)
    pairs = find_pairs(captures)
    if not pairs:
        raise ReproduceError.of(
            "compare recordings before and after",
            "no two captures that differ in the completion rule alone",
            "give a folder with such a pair",
        )
    tell(f"recorded pairs and their twins ({len(pairs)} pairs)")
    measured = pairs_table(pairs, engine)
    tell("the commit's own numbers")
    runs = {rule: simulate_commit(rule, engine) for rule in RULES}
    lines = commit_table(runs, _shown_recordings(pairs))
    tell("a second iterable in the tail")
    slow = undisturbed(pairs)
    services = service_table(slow, engine)
    tell(f"{CUTS} cuts of the connection under each rule")
    scenarios = {rule: replace(slow, completion_rule=rule) for rule in RULES}
    cuts = pd.concat(
        [cut_outcomes(scenarios[rule], CUTS, engine).assign(rule=rule) for rule in RULES],
        ignore_index=True,
    )
    boundaries = boundary_table()
    return Evidence(
        pairs=measured,
        commit=lines,
        points=points_table(runs, measured, services, cuts, boundaries, slow.name),
        boundaries=boundaries,
        services=services,
        cuts=cuts,
        runs=runs,
        slow_scenario=slow,
    )


def undisturbed(pairs: list[Pair]) -> Scenario:
    """Pick the scenario in which the tail is longest to look at, and leave it alone.

    Parameters
    ----------
    pairs : list of Pair
        Recorded pairs.

    Returns
    -------
    Scenario
        That of a pair whose connection was cut, for such a recording has a slow link; otherwise
        of any pair with postcopy. Of its timeline only the start of postcopy is kept.

    Raises
    ------
    ReproduceError
        If no pair goes through postcopy.
    """
    scenarios = [Scenario.from_capture(pair.before) for pair in pairs]
    postcopy = [item for item in scenarios if _START in _commands(item)]
    if not postcopy:
        raise ReproduceError.of(
            "look at the tail of postcopy",
            f"no {_START} in any pair of recordings",
            "give a folder with such a pair",
        )
    chosen = next((item for item in postcopy if "cut" in _commands(item)), postcopy[0])
    kept = tuple(item for item in chosen.timeline if item.command == _START)
    return replace(chosen, timeline=kept)


def _commands(scenario: Scenario) -> list[str]:
    return [item.command for item in scenario.timeline]


def _shown_recordings(pairs: list[Pair]) -> dict[str, Migration]:
    by_name = {pair.name: pair for pair in pairs}
    shown = by_name.get(SHOWN_PAIR, pairs[0])
    return {rule: read_capture(folder) for rule, folder in shown.folders()}
