"""After the switch: how long the guest waits for pages, and how pages arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from migkit.plot.axes import PAGE_BYTES, empty, label, plain_log, plain_number, to_ms
from migkit.plot.tail import postcopy_start_ns, tail_frame
from migkit.style import FAINT, INK, line_of, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration


def latency_frame(migration: Migration) -> pd.DataFrame:
    """Return how long each fault took, sorted, with the share of faults that took no longer.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``latency_ns`` (int64) and ``share_percent`` (float64). Faults that never ended
        are left out.
    """
    faults = migration.faults
    latency = (faults["placed_ns"] - faults["fault_ns"]).dropna().astype("int64").sort_values()
    share = 100 * np.arange(1, len(latency) + 1) / max(len(latency), 1)
    return pd.DataFrame({"latency_ns": latency.to_numpy(), "share_percent": share})


def arrivals_frame(migration: Migration) -> pd.DataFrame:
    """Return the pages that had come since postcopy began, by who asked for them.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``t_ns`` (int64, from ``postcopy_start``), ``requested_pages`` (faults ended so
        far) and ``background_pages`` (all other pages that are no longer pending).
    """
    pending = tail_frame(migration)
    if pending.empty:
        return pd.DataFrame(columns=["t_ns", "requested_pages", "background_pages"])
    begins_ns = postcopy_start_ns(migration) or 0
    placed = np.sort(migration.faults["placed_ns"].dropna().astype("int64").to_numpy())
    requested = np.searchsorted(placed - begins_ns, pending["t_ns"], side="right")
    gone = (pending["pending_bytes"].iloc[0] - pending["pending_bytes"]) // PAGE_BYTES
    return pd.DataFrame(
        {
            "t_ns": pending["t_ns"],
            "requested_pages": requested,
            "background_pages": (gone - requested).clip(lower=0),
        }
    )


def fault_latency(
    migration: Migration,
    *,
    ax: Axes,
    name: str | None = None,
    dashed: bool = False,
    at_percent: float = 50.0,
    right: bool = False,
) -> Axes:
    """Draw the distribution of fault latency; call it once for each run on the same axes.

    Parameters
    ----------
    migration : Migration
        The run.
    ax : Axes
        Where to draw.
    name : str, optional
        Name of the line; the run's own name by default.
    dashed : bool
        Draw the line dashed, to tell two recorded runs apart.
    at_percent : float
        Height at which the name is written beside the line, 0..100 %.
    right : bool
        Write it to the right of the line instead of the left.

    Returns
    -------
    Axes
        The same axes: x in ms, logarithmic; y in percent of the faults.
    """
    frame = latency_frame(migration)
    ax.set(xlabel="fault latency (ms)", ylabel="faults no slower (%)")
    if frame.empty:
        return empty(ax, "no fault ended in this run")
    line = line_of(migration.kind, phase_colour("postcopy"))
    if dashed:
        line["linestyle"] = (0, (3, 1.2))
    times = to_ms(frame["latency_ns"])
    ax.plot(
        times, frame["share_percent"], drawstyle="steps-post", label=name or migration.name, **line
    )
    median = float(np.median(times))
    shown = plain_number(float(f"{median:.2g}"))
    text = f"{name or migration.name}:\nmedian {shown} ms\nof {len(frame)} faults"
    label(
        ax,
        text,
        (float(np.percentile(times, at_percent)), at_percent),
        (4 if right else -4, 0),
        INK,
    )
    ax.set_ylim(0, 102)
    plain_log(ax.xaxis)
    return ax


def arrivals(migration: Migration, *, ax: Axes) -> Axes:
    """Draw requested and background pages over the time since postcopy began.

    Parameters
    ----------
    migration : Migration
        The run.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in ms, y in pages, logarithmic.
    """
    frame = arrivals_frame(migration)
    ax.set(xlabel="time since postcopy began (ms)", ylabel="pages arrived")
    if frame.empty:
        return empty(ax, "this run had no postcopy phase")
    styles = {
        "background": line_of(migration.kind, phase_colour("postcopy")),
        "requested": {"color": INK, "linewidth": 1.2},
    }
    for name, style in styles.items():
        rows = frame[frame[f"{name}_pages"] > 0]
        if rows.empty:
            continue
        amounts = rows[f"{name}_pages"]
        ax.plot(to_ms(rows["t_ns"]), amounts, label=name, **style)
        end = (float(to_ms(rows["t_ns"].iloc[-1])), float(amounts.iloc[-1]))
        label(ax, f"{name}: {end[1]:,.0f}", end, (-2, -6), FAINT if name != "requested" else INK)
    ax.set_xlim(left=0)
    plain_log(ax.yaxis)
    return ax
