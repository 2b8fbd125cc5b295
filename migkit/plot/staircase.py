"""Why precopy converges: what the guest dirties in a time, against what can be sent in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from migkit.plot.axes import (
    MIB,
    NS_PER_S,
    PAGE_BYTES,
    empty,
    label,
    plain_log,
    plain_number,
    to_mib,
)
from migkit.plot.tail import postcopy_start_ns
from migkit.style import FAINT, INK, PALE, line_of, marker_of, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration


def staircase_frame(migration: Migration) -> pd.DataFrame:
    """Return for each round how long it took, what it had to send and what it left.

    A round lasts from one dirty-bitmap sync to the next. Syncs of the switchover and of postcopy
    end no round: the VM stands still between them and the exact query before.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``duration_s``, ``to_send_bytes`` (left at its first sync) and ``left_bytes``
        (left at the sync that ends it).
    """
    rounds = migration.rounds
    syncs = rounds[rounds["reason"].astype(str).isin(["setup", "exact", "timer"])]
    left = syncs["remaining_pages"].fillna(syncs["new_dirty_pages"]).astype("int64") * PAGE_BYTES
    frame = pd.DataFrame(
        {
            "duration_s": syncs["t_ns"].diff().shift(-1) / NS_PER_S,
            "to_send_bytes": left,
            "left_bytes": left.shift(-1),
        }
    )
    whole = frame.dropna().reset_index(drop=True)
    return whole.astype({"duration_s": "float64", "left_bytes": "int64"})


def sending_bandwidth(migration: Migration) -> float:
    """Return the bandwidth that QEMU measured while the VM ran on the source.

    Parameters
    ----------
    migration : Migration
        A run with at least one closed window.

    Returns
    -------
    float
        Bytes/s: the median over the windows of precopy.
    """
    windows, begins_ns = migration.windows, postcopy_start_ns(migration)
    if begins_ns is not None:
        windows = windows[windows["t_ns"] <= begins_ns]
    return 1000 * float(windows["bandwidth_bytes_per_ms"].median())


def staircase(
    migration: Migration,
    *,
    ax: Axes,
    bandwidth_bytes_per_s: float,
    downtime_limit_ms: float,
    curve: pd.DataFrame | None = None,
) -> Axes:
    """Draw the rounds as a staircase between D(t) and the line of what can be sent.

    Parameters
    ----------
    migration : Migration
        The run whose rounds are drawn.
    ax : Axes
        Where to draw.
    bandwidth_bytes_per_s : float
        Slope of the line B x t.
    downtime_limit_ms : float
        The corner box is this wide and B x this high.
    curve : DataFrame, optional
        Dirtying curve D(t): columns ``t_s`` and ``dirty_bytes``.

    Returns
    -------
    Axes
        The same axes: x in s, y in MiB, both logarithmic.
    """
    ax.set(xlabel="length of a round (s)", ylabel="dirtied or sent in it (MiB)")
    frame = staircase_frame(migration)
    if frame.empty:
        return empty(ax, "no round ended in this run")
    limit_s = downtime_limit_ms / 1000
    longest_s = 1.6 * frame["duration_s"].max()
    shortest_s = min(limit_s / 9, frame["duration_s"].min() / 1.5)
    ax.set_xlim(shortest_s, longest_s)
    ax.set_ylim(bandwidth_bytes_per_s * shortest_s / MIB, 2 * frame["to_send_bytes"].max() / MIB)
    _corner(limit_s, bandwidth_bytes_per_s, ax)
    _line(shortest_s, longest_s, bandwidth_bytes_per_s, ax)
    if curve is not None:
        _curve(curve[curve["t_s"].between(shortest_s, longest_s)], ax)
    _steps(frame, migration.kind, ax)
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    return ax


def _corner(limit_s: float, bandwidth_bytes_per_s: float, ax: Axes) -> None:
    """Shade what fits into the downtime limit: shorter than it, and sent within it."""
    height = bandwidth_bytes_per_s * limit_s / MIB
    ax.fill_between([0, limit_s], height, facecolor=PALE, edgecolor=FAINT, linewidth=0.6, zorder=0)
    text = f"fits into\n{limit_s:.3g} s: {plain_number(float(f'{height:.2g}'))} MiB"
    top = min(height, ax.get_ylim()[1])
    label(ax, text, (ax.get_xlim()[0], top), (3, -2), FAINT, fontsize=6.0, va="top")


def _line(start_s: float, end_s: float, bandwidth_bytes_per_s: float, ax: Axes) -> None:
    """Draw what can be sent in a time."""
    times = np.array([start_s, end_s])
    ax.plot(times, times * bandwidth_bytes_per_s / MIB, color=INK, linewidth=1.0, label="B·t")
    label(ax, "B·t", (end_s, end_s * bandwidth_bytes_per_s / MIB), (2, 0), INK)


def _curve(curve: pd.DataFrame, ax: Axes) -> None:
    """Draw what the guest dirties in a time."""
    if curve.empty:
        return
    amounts = to_mib(curve["dirty_bytes"])
    ax.plot(curve["t_s"], amounts, color=FAINT, linewidth=2.0, zorder=2, label="D(t)")
    if amounts[-1] > ax.get_ylim()[0]:
        label(ax, "D(t)", (curve["t_s"].iloc[-1], amounts[-1]), (2, 0), FAINT)
    else:
        text = "D(t) lies below"
        ax.text(0.86, 0.03, text, transform=ax.transAxes, ha="right", color=FAINT, fontsize=6.0)


def _steps(frame: pd.DataFrame, kind: str, ax: Axes) -> None:
    """Draw the staircase: down to what a round left, across to how long sending that took."""
    times = frame["duration_s"].to_numpy().repeat(2)
    heights = np.column_stack([frame["to_send_bytes"], frame["left_bytes"]]).ravel() / MIB
    colour = phase_colour("precopy")
    label(ax, "all of RAM", (times[0], heights[0]), (-3, 0), FAINT, fontsize=6.0)
    ax.plot(times, heights, label=f"{kind} rounds", **{**line_of(kind, colour), "linewidth": 1.0})
    ax.plot(
        frame["duration_s"],
        to_mib(frame["left_bytes"]),
        linestyle="none",
        marker="o",
        zorder=6,
        label=f"{kind} round ends",
        **marker_of(kind, colour),
    )
