"""What each way of migrating costs: total time, downtime, and what the guest lost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from migkit.plot.axes import MIB, NS_PER_S, label, plain_log
from migkit.style import FAINT, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration

# Way -> (phase that colours it, line style, mark): ways of one phase differ in line and mark.
WAYS: Final = {
    "precopy": ("precopy", "-", "o"),
    "auto-converge": ("precopy", "--", "s"),
    "postcopy": ("postcopy", "-", "o"),
    "postcopy with preempt": ("postcopy", "--", "s"),
}
_LARGEST_AREA: Final = 160.0


def guest_loss_s(migration: Migration) -> float:
    """Return how long the guest could not run because of the migration.

    Summed are the downtime, the throttled share of the time between syncs, and the time in which
    at least one page that the guest waits for had not come.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    float
        Seconds.
    """
    rounds = migration.rounds
    lasted = rounds["t_ns"].diff().shift(-1).fillna(0).astype("float64")
    throttled = lasted * rounds["cpu_throttle_percentage"].fillna(0).astype("float64") / 100
    downtime_s = float(migration.summary.get("downtime") or 0) / 1000
    return (float(throttled.sum()) + blocked_ns(migration.faults)) / NS_PER_S + downtime_s


def blocked_ns(faults: pd.DataFrame) -> int:
    """Return for how long at least one fault was open.

    Parameters
    ----------
    faults : DataFrame
        ``Migration.faults``; a fault without an end counts as no time.

    Returns
    -------
    int
        Nanoseconds; faults that overlap count once.
    """
    whole = faults[["fault_ns", "placed_ns"]].dropna().astype("int64").sort_values("fault_ns")
    if whole.empty:
        return 0
    starts = whole["fault_ns"].to_numpy()
    ends = np.maximum.accumulate(whole["placed_ns"].to_numpy())
    covered_from = np.maximum(starts, np.concatenate([[starts[0]], ends[:-1]]))
    return int(np.maximum(ends - covered_from, 0).sum())


def cost_frame(runs: Iterable[tuple[str, int, Migration]]) -> pd.DataFrame:
    """Return total time, downtime and the guest's loss of several runs.

    Parameters
    ----------
    runs : iterable of (str, int, Migration)
        Way (a key of `WAYS`), bandwidth in bytes/s, run. Runs that did not complete are left out.

    Returns
    -------
    DataFrame
        Columns ``way``, ``bandwidth_bytes_per_s``, ``total_time_s``, ``downtime_s``,
        ``guest_loss_s``, in the order given.
    """
    rows = [
        (
            way,
            bandwidth,
            run.summary["total-time"] / 1000,
            run.summary["downtime"] / 1000,
            guest_loss_s(run),
        )
        for way, bandwidth, run in runs
        if run.outcome == "completed"
    ]
    columns = ["way", "bandwidth_bytes_per_s", "total_time_s", "downtime_s", "guest_loss_s"]
    return pd.DataFrame(rows, columns=columns)


def cost(frame: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw total time against downtime, a curve a way, along bandwidth.

    Parameters
    ----------
    frame : DataFrame
        What `cost_frame` returns.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes, both logarithmic, in s; the area of a mark grows with the guest's loss.
    """
    most = max(float(frame["guest_loss_s"].max()), 1e-9)
    for way, rows in frame.groupby("way", sort=False):
        phase, line, mark = WAYS[str(way)]
        colour = phase_colour(phase)
        x, y = rows["total_time_s"], rows["downtime_s"]
        areas = 6 + _LARGEST_AREA * rows["guest_loss_s"] / most
        ax.plot(x, y, color=colour, linestyle=line, linewidth=1.0, label=str(way))
        mark_style: dict[str, Any] = {
            "facecolor": "white",
            "edgecolor": colour,
            "linewidth": 1.0,
            "zorder": 3,
        }
        ax.scatter(x, y, s=areas, marker=mark, **mark_style)
        rate = rows["bandwidth_bytes_per_s"] / MIB
        # Above the mark, unless the curve goes on there.
        rises = len(rows) > 1 and y.iloc[1] > 1.25 * y.iloc[0]
        beside = (3 + math.sqrt(areas.iloc[0]) / 2) * (-1 if rises else 1)
        text = f"{way}\n{rate.iloc[0]:,.0f} MiB/s"
        label(ax, text, (x.iloc[0], y.iloc[0]), (0, beside), colour)
        if len(rows) > 1:
            text = f"{rate.iloc[-1]:,.0f} MiB/s"
            label(ax, text, (x.iloc[-1], y.iloc[-1]), (1, 4), FAINT)
    ax.set(xlabel="total time (s)", ylabel="downtime (s)")
    ax.margins(y=0.2)  # for the words above and below the outermost marks
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    return ax
