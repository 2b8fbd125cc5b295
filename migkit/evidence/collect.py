"""All of the evidence in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from migkit.capture import read_capture
from migkit.errors import ReproduceError
from migkit.evidence.boundaries import boundary_table
from migkit.evidence.commit import commit_scenario, commit_table, simulate_commit
from migkit.evidence.cuts import cut_outcomes
from migkit.evidence.pairs import RULES, Pair, find_pairs, pairs_table
from migkit.evidence.points import points_table
from migkit.evidence.service import service_table

if TYPE_CHECKING:
    from migkit.results import Migration

#: The pair of recordings that stands beside the commit's own lines, if it is there.
SHOWN_PAIR = "postcopy-uniform"
CUTS = 40


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
    """

    pairs: pd.DataFrame
    commit: pd.DataFrame
    points: pd.DataFrame
    boundaries: pd.DataFrame
    services: pd.DataFrame
    cuts: pd.DataFrame
    runs: dict[str, Migration]


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
    services = service_table(commit_scenario("before"), engine)
    tell(f"{CUTS} cuts of the connection under each rule")
    cuts = pd.concat(
        [cut_outcomes(commit_scenario(rule), CUTS, engine).assign(rule=rule) for rule in RULES],
        ignore_index=True,
    )
    boundaries = boundary_table()
    return Evidence(
        pairs=measured,
        commit=lines,
        points=points_table(runs, measured, services, cuts, boundaries),
        boundaries=boundaries,
        services=services,
        cuts=cuts,
        runs=runs,
    )


def _shown_recordings(pairs: list[Pair]) -> dict[str, Migration]:
    by_name = {pair.name: pair for pair in pairs}
    shown = by_name.get(SHOWN_PAIR, pairs[0])
    return {rule: read_capture(folder) for rule, folder in shown.folders()}
