"""Rounds: what is left to send at each dirty-bitmap sync, and the measured bandwidth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from migkit.plot.axes import PAGE_BYTES, empty, label, plain_log, to_mib, to_s
from migkit.style import FAINT, INK, line_of, marker_of, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration

# What a sync is of: the pages sent while the VM runs, or those of the switchover.
_PHASE_OF_REASON: Final = {
    "setup": "precopy",
    "exact": "precopy",
    "timer": "precopy",
    "final": "switchover",
    "postcopy": "postcopy",
}


def rounds_frame(migration: Migration) -> pd.DataFrame:
    """Return what is left to send at each sync, with the threshold it was compared with.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``t_ns``, ``left_bytes`` (pages left after the sync; where a log does not tell,
        the pages that the sync found dirty), ``threshold_size_bytes`` and ``reason``.
    """
    rounds = migration.rounds
    left = rounds["remaining_pages"].fillna(rounds["new_dirty_pages"])
    return pd.DataFrame(
        {
            "t_ns": rounds["t_ns"].astype("int64"),
            "left_bytes": left.astype("int64") * PAGE_BYTES,
            "threshold_size_bytes": rounds["threshold_size_bytes"],
            "reason": rounds["reason"].astype(str),
        }
    ).reset_index(drop=True)


def pending_frame(migration: Migration) -> pd.DataFrame:
    """Return what is pending over time, as the loop saw it.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``t_ns`` and ``pending_bytes`` (int64), a row for each known estimate and, where
        the loop asked for it, one more for the exact value.
    """
    asked = migration.iterations
    columns = ["t_ns", "pending_bytes"]
    estimate = asked[["t_ns", "pending_estimate_bytes"]].set_axis(columns, axis=1).dropna()
    exact = asked[["t_ns", "pending_exact_bytes"]].set_axis(columns, axis=1).dropna()
    both = pd.concat([estimate, exact]).astype("int64")
    return both.sort_index(kind="stable").reset_index(drop=True)


def rounds(migration: Migration, *, ax: Axes, twin: Migration | None = None) -> Axes:
    """Draw what is left to send at each sync over time, and the threshold as a level.

    Parameters
    ----------
    migration : Migration
        The run that is drawn as a line.
    ax : Axes
        Where to draw.
    twin : Migration, optional
        A second run of the same scenario, drawn thin over the first.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``, y in MiB, logarithmic.
    """
    ax.set(xlabel="time since migrate (s)", ylabel="left to send (MiB)")
    for run in (migration, twin):
        if run is not None:
            _pending(pending_frame(run), run.kind, ax, over=run is twin)
            _syncs(rounds_frame(run), run.kind, ax)
    _threshold(migration, ax)
    _end(migration, ax)
    ax.set_xlim(left=0)
    plain_log(ax.yaxis)
    ax.set_ylim(bottom=ax.get_ylim()[0] / 1.5)
    return ax


def windows(migration: Migration, *, ax: Axes, twin: Migration | None = None) -> Axes:
    """Draw the bandwidth that QEMU measured in each closed window.

    Parameters
    ----------
    migration : Migration
        The run that is drawn as a line.
    ax : Axes
        Where to draw.
    twin : Migration, optional
        A second run of the same scenario, drawn thin over the first.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``, y in MiB/s.
    """
    ax.set(xlabel="time since migrate (s)", ylabel="measured bandwidth (MiB/s)")
    if migration.windows.empty:
        return empty(ax, "no window was closed in this run")
    for run in (migration, twin):
        if run is not None:
            frame = run.windows
            ax.plot(
                to_s(frame["t_ns"]),
                to_mib(frame["bandwidth_bytes_per_ms"]) * 1000,
                drawstyle="steps-pre",
                label=run.kind,
                **line_of(run.kind, phase_colour("precopy"), over=run is twin),
            )
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.15 * ax.dataLim.ymax)
    return ax


def _pending(frame: pd.DataFrame, kind: str, ax: Axes, *, over: bool) -> None:
    """Draw what is pending: it falls within a round and leaps at the sync that ends it."""
    shown = frame[frame["pending_bytes"] > 0]
    line = {**line_of(kind, phase_colour("precopy"), over=over), "linewidth": 1.2}
    if kind == "simulated":
        line["linewidth"] = 0.7
    ax.plot(to_s(shown["t_ns"]), to_mib(shown["pending_bytes"]), label=kind, **line)


def _syncs(frame: pd.DataFrame, kind: str, ax: Axes) -> None:
    """Mark each sync in the colour of the phase whose pages it collects."""
    shown = frame[frame["left_bytes"] > 0]
    for reason, rows in shown.groupby("reason", sort=False, observed=True):
        colour = phase_colour(_PHASE_OF_REASON[str(reason)])
        ax.plot(
            to_s(rows["t_ns"]),
            to_mib(rows["left_bytes"]),
            linestyle="none",
            marker="o",
            markersize=4.0 if kind == "recorded" else 3.0,
            zorder=5 if kind == "recorded" else 6,
            label=f"{kind} sync {reason}",
            **marker_of(kind, colour),
        )


def _threshold(migration: Migration, ax: Axes) -> None:
    """Draw the threshold as it moved with the measured bandwidth."""
    windows = migration.windows
    levels = windows[windows["threshold_size_bytes"] > 0]
    if levels.empty:
        return
    times, amounts = to_s(levels["t_ns"]), to_mib(levels["threshold_size_bytes"])
    ax.plot(
        times,
        amounts,
        drawstyle="steps-post",
        color=FAINT,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        label="threshold_size",
    )
    under = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    label(ax, "threshold_size", (times[0], amounts[0]), (3, -3), FAINT, bbox=under, zorder=7)


def _end(migration: Migration, ax: Axes) -> None:
    """Mark the end of the run and say what ended it."""
    end_ns = int(migration.events["t_ns"].max())
    at_s = float(to_s(end_ns))
    ax.axvline(at_s, color=FAINT, linewidth=0.6, zorder=1)
    # The text lies on the side that has more room.
    towards = -3 if at_s > 0.4 * ax.dataLim.xmax else 3
    place = ax.get_xaxis_transform()
    label(ax, _ending(migration), (at_s, 0.97), (towards, 0), INK, xycoords=place)


def _ending(migration: Migration) -> str:
    """Say in a few words what ended a run."""
    if migration.outcome == "completed":
        downtime = migration.summary.get("downtime")
        return "completed" if downtime is None else f"completed,\ndowntime {downtime:,.0f} ms"
    if migration.outcome.startswith("active"):
        return "still running when\nobservation ended"
    return migration.outcome
