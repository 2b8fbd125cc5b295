"""Figures of what the rewrite of the completion logic changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from migkit import plot
from migkit.style import paper, size

if TYPE_CHECKING:
    import pandas as pd

    from migkit.results import Migration


def tails(
    before: Migration,
    after: Migration,
    twins: tuple[Migration, Migration] | None = None,
) -> Figure:
    """Draw the tail of two postcopy runs, before above after.

    Parameters
    ----------
    before, after : Migration
        Runs of one scenario under each rule.
    twins : tuple of Migration, optional
        Simulations of both, drawn thin over them.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 9.0))
        panels = figure.subplots(2, 1, sharex=True, sharey=True)
        over = twins or (None, None)
        top_mib = max(plot.tail_top_mib(run) for run in (before, after))
        for ax, run, twin, side in zip(
            panels, (before, after), over, ("before", "after"), strict=True
        ):
            plot.tail(run, ax=ax, twin=twin, top_mib=top_mib)
            ax.set_title(side)
            ax.label_outer()
    return figure


def pages_in_save_complete(frame: pd.DataFrame) -> Figure:
    """Draw the pages left to ``save_complete``, a row a pair.

    Parameters
    ----------
    frame : DataFrame
        What `migkit.plot.save_complete_frame` returns.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        height_cm = 1.6 + 0.95 * frame["pair"].nunique()
        figure = Figure(figsize=size("single-column", height_cm))
        plot.dumbbell(frame, ax=figure.subplots())
    return figure


def connection_cut(
    before: Migration, after: Migration, *, from_s: float = 0.0, until_s: float | None = None
) -> Figure:
    """Draw what a cut of the connection does under each rule, as swim lanes.

    Parameters
    ----------
    before, after : Migration
        Runs whose connection was cut at the same moment.
    from_s, until_s : float
        Part of the runs that is shown, in seconds since ``migrate``.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 8.0))
        panels = figure.subplots(2, 1, sharex=True)
        for ax, run, side in zip(panels, (before, after), ("before", "after"), strict=True):
            plot.lanes(run, ax=ax, from_s=from_s, until_s=until_s)
            ax.set_title(side)
            ax.label_outer()
    return figure


def decision_map() -> Figure:
    """Draw where both completion rules agree and where they differ.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 5.8))
        plot.decision_map(plot.decision_frame(), ax=figure.subplots())
    return figure
