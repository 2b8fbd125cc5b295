"""Figures of precopy and postcopy: when a migration converges, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from migkit import plot
from migkit.errors import InputError
from migkit.style import paper, size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from migkit.results import Migration


def convergence(runs: Mapping[str, Migration]) -> Figure:
    """Draw why each run converges or not: a staircase panel a run.

    Parameters
    ----------
    runs : mapping of str to Migration
        Title of the panel to a run that knows its scenario.

    Returns
    -------
    Figure
        17.5 cm wide, two panels in a row.

    Raises
    ------
    InputError
        A run does not know its scenario.
    """
    with paper():
        rows = (len(runs) + 1) // 2
        figure = Figure(figsize=size("double-column", 6.2 * rows))
        panels = figure.subplots(rows, 2, squeeze=False).flat
        for ax, (title, run) in zip(panels, runs.items(), strict=False):
            staircase_of(run, ax=ax)
            ax.set_title(title)
        for ax in list(panels)[len(runs) :]:
            ax.set_axis_off()
    return figure


def staircase_of(run: Migration, *, ax: Axes) -> Axes:
    """Draw the staircase of a run with the limits and the workload of its own scenario.

    Parameters
    ----------
    run : Migration
        A run that knows its scenario.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes.

    Raises
    ------
    InputError
        The run does not know its scenario.
    """
    if run.scenario is None:
        raise InputError.of(
            f"staircase of {run.name}",
            "the run has no scenario",
            "read a capture, not a log alone",
        )
    parameters, guest = run.scenario.parameters, run.scenario.guest
    workload = run.scenario.workload.within(guest.memory_bytes // 4096)
    return plot.staircase(
        run,
        ax=ax,
        bandwidth_bytes_per_s=plot.sending_bandwidth(run),
        downtime_limit_ms=parameters.downtime_limit_ms,
        curve=plot.dirtying_frame(workload),
    )


def rounds(runs: Mapping[str, Migration]) -> Figure:
    """Draw what is left to send over time, a panel a run.

    Parameters
    ----------
    runs : mapping of str to Migration
        Title of the panel to the run.

    Returns
    -------
    Figure
        8.5 cm wide, panels below each other.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 1.0 + 3.6 * len(runs)))
        panels = figure.subplots(len(runs), 1, squeeze=False).flat
        for ax, (title, run) in zip(panels, runs.items(), strict=True):
            plot.rounds(run, ax=ax)
            ax.set_title(title)
    return figure


def where_bytes_went(runs: Mapping[str, Migration]) -> Figure:
    """Draw a stacked bar of bytes for each run.

    Parameters
    ----------
    runs : mapping of str to Migration
        Name of the bar to the run.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 2.2 + 0.75 * len(runs)))
        plot.stacked_bytes(plot.bytes_frame(runs), ax=figure.subplots())
    return figure


def cost(frame: pd.DataFrame) -> Figure:
    """Draw total time against downtime, a curve for each way of migrating.

    Parameters
    ----------
    frame : DataFrame
        What `migkit.plot.cost_frame` returns.

    Returns
    -------
    Figure
        8.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 6.5))
        plot.cost(frame, ax=figure.subplots())
    return figure


def after_the_switch(
    recorded: Migration, twin: Migration | None = None, preempt: Migration | None = None
) -> Figure:
    """Draw fault latency, and how requested and other pages arrive.

    Parameters
    ----------
    recorded : Migration
        A postcopy run.
    twin : Migration, optional
        The simulation of the same scenario, drawn thin over it.
    preempt : Migration, optional
        A run with the capability postcopy-preempt, for its latency.

    Returns
    -------
    Figure
        8.5 cm wide, two panels below each other.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 9.0))
        latency, arriving = figure.subplots(2, 1)
        plot.fault_latency(recorded, ax=latency, name=recorded.kind, right=True)
        if twin is not None:
            plot.fault_latency(twin, ax=latency, name=twin.kind)
        if preempt is not None:
            plot.fault_latency(
                preempt, ax=latency, name="with preempt", dashed=True, at_percent=45
            )
        plot.arrivals(recorded, ax=arriving)
    return figure


def twin_beside_recording(recorded: Migration, twin: Migration) -> Figure:
    """Draw a recorded run and its simulation in two panels of the same axes.

    Parameters
    ----------
    recorded, twin : Migration
        The run, and the simulation of its scenario.

    Returns
    -------
    Figure
        17.5 cm wide.
    """
    with paper():
        figure = Figure(figsize=size("double-column", 5.5))
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for ax, run in zip(panels, (recorded, twin), strict=True):
            plot.rounds(run, ax=ax)
            ax.set_title(run.kind)
            ax.label_outer()
    return figure
