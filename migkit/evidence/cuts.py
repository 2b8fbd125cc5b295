"""Point (2b): the moments of postcopy at which a cut of the connection loses the guest.

The connection is cut at evenly spaced moments of postcopy, one simulation a moment. A source that
ends ``postcopy-paused`` can be recovered. One that ends ``failed`` cannot: if the destination
already ran the guest, its missing pages are lost; before that (``postcopy-device``) the guest goes
on where it was. See migration/migration.c (migration_detect_error, migration_completion).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from migkit.evidence.tail import postcopy_begun_ns
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.simulate import simulate

if TYPE_CHECKING:
    from migkit.results import Migration

LOST, PAUSED, AT_THE_SOURCE = "lost", "paused", "at the source"
_WATCH_AFTER_CUT_S = 1.0


def cut_outcomes(scenario: Scenario, cuts: int = 40, engine: str = "compiled") -> pd.DataFrame:
    """Cut a migration's connection at evenly spaced moments of its postcopy phase.

    Parameters
    ----------
    scenario : Scenario
        A migration that goes through postcopy and completes.
    cuts : int
        How many moments, 1 or more. They lie in the middle of equal parts of the phase.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    DataFrame
        A row a cut: ``t_ns`` (int64), ``ms_since_postcopy_began`` (float), ``source``,
        ``destination`` (final states) and ``fate`` (str, see `fate`).
    """
    begun_ns, end_ns = postcopy_span_ns(simulate(scenario, engine=engine))
    rows = []
    for position in range(cuts):
        t_ns = begun_ns + (2 * position + 1) * (end_ns - begun_ns) // (2 * cuts)
        cut = simulate(with_cut(scenario, t_ns), engine=engine)
        rows.append(
            {
                "t_ns": t_ns,
                "ms_since_postcopy_began": (t_ns - begun_ns) / 1e6,
                "source": cut.outcome,
                "destination": cut.destination_state,
                "fate": fate(cut),
            }
        )
    return pd.DataFrame(rows)


def with_cut(scenario: Scenario, t_ns: int) -> Scenario:
    """Return the scenario with its connection cut at a moment and nobody recovering it."""
    cut = TimelineItem(command="cut", at_s=t_ns / 1e9)
    return replace(
        scenario,
        timeline=(*scenario.timeline, cut),
        observe_for_s=t_ns / 1e9 + _WATCH_AFTER_CUT_S,
    )


def postcopy_span_ns(migration: Migration) -> tuple[int, int]:
    """Return when postcopy began and when ``save_complete`` had moved the last page.

    Raises
    ------
    ValueError
        If the migration did not go through postcopy to its end.
    """
    lines = migration.ram_save_complete()
    begun_ns = postcopy_begun_ns(migration)
    done = lines.loc[lines["done"] == 1, "t_ns"]
    if begun_ns is None or done.empty:
        raise ValueError(f"{migration.name} did not complete in postcopy: {migration.outcome}")
    return begun_ns, int(done.iloc[-1])


def fate(cut: Migration) -> str:
    """Say what became of the guest of a migration that was cut and that nobody recovered.

    Parameters
    ----------
    cut : Migration
        Cut in postcopy.

    Returns
    -------
    {"lost", "paused", "at the source"}
        The last if the destination did not run the guest yet.
    """
    if cut.outcome != "failed":
        return PAUSED
    states = cut.events_of("migrate_set_state")["new_state"].astype(str).tolist()
    earlier = [state for state in states if state != "failed"]
    return AT_THE_SOURCE if earlier[-1] == "postcopy-device" else LOST


def unrecoverable_share_percent(cuts: pd.DataFrame) -> float:
    """Return the share of the tried moments at which a cut loses the guest, in percent."""
    return float(100 * (cuts["fate"] == LOST).mean())
