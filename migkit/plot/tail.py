"""The tail of a postcopy migration: what is pending, and who moves the last of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from migkit.plot.axes import MIB, PAGE_BYTES, empty, label, to_mib, to_ms
from migkit.style import FAINT, line_of, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration


def postcopy_start_ns(migration: Migration) -> int | None:
    """Return when the source switched to postcopy.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    int or None
        Time of the event ``postcopy_start``, ns; None for a run without it.
    """
    events = migration.events_of("postcopy_start")
    return None if events.empty else int(events["t_ns"].iloc[0])


def tail_frame(migration: Migration) -> pd.DataFrame:
    """Return what is pending from the start of postcopy to the end of ``save_complete``.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    DataFrame
        Columns ``t_ns`` (int64, from ``postcopy_start``), ``pending_bytes`` (int64),
        ``threshold_size_bytes`` (int64) and ``part`` ("iterate" or "save_complete"). Two rows
        are "save_complete": as it begins and as it ends. Passes whose pending size the log does
        not tell (QEMU 11.1) are left out. Empty when the run had no postcopy.
    """
    iterations = migration.iterations
    told = iterations["pending_estimate_bytes"].notna()
    tail = iterations[iterations["in_postcopy"].fillna(False).astype(bool) & told]
    begins_ns = postcopy_start_ns(migration)
    rows = pd.DataFrame(
        {
            "t_ns": tail["t_ns"].astype("int64"),
            "pending_bytes": tail["pending_estimate_bytes"].astype("int64"),
            "threshold_size_bytes": tail["threshold_size_bytes"].astype("int64"),
            "part": "iterate",
        }
    )
    calls = migration.ram_save_complete()
    if rows.empty or begins_ns is None:
        return rows.iloc[:0]
    inside = pd.DataFrame(
        {
            "t_ns": calls["t_ns"].astype("int64"),
            "pending_bytes": calls["dirty"].astype("int64") * PAGE_BYTES,
            "threshold_size_bytes": int(rows["threshold_size_bytes"].iloc[-1]),
            "part": "save_complete",
        }
    )
    frame = pd.concat([rows, inside], ignore_index=True)
    return frame.assign(t_ns=frame["t_ns"] - begins_ns)


def tail_top_mib(migration: Migration) -> float:
    """Return a height of the axes that holds the tail of a run.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    float
        MiB; 1 for a run without postcopy.
    """
    frame = tail_frame(migration)
    return 1.0 if frame.empty else 1.15 * float(frame["pending_bytes"].max()) / MIB


def tail(
    migration: Migration,
    *,
    ax: Axes,
    twin: Migration | None = None,
    explain: bool = True,
    top_mib: float | None = None,
) -> Axes:
    """Draw the pending bytes since postcopy began, and hatch what ``save_complete`` moved.

    Parameters
    ----------
    migration : Migration
        The run that is drawn as a line.
    ax : Axes
        Where to draw.
    twin : Migration, optional
        A second run of the same scenario, drawn thin over the first.
    explain : bool
        Write beside the hatching what it means.
    top_mib : float, optional
        Height of the axes, to give several panels the same; fits the run by default.

    Returns
    -------
    Axes
        The same axes: x in ms since postcopy began, y in MiB.
    """
    frame = tail_frame(migration)
    ax.set(xlabel="time since postcopy began (ms)", ylabel="pending (MiB)")
    if frame.empty:
        return empty(ax, "no postcopy phase, or none that the log tells")
    top_mib = top_mib or tail_top_mib(migration)
    _threshold(frame, top_mib, ax)
    _save_complete(frame, ax, explain)
    for run in (migration, twin):
        if run is not None:
            _pending(tail_frame(run), run.kind, ax, over=run is twin)
    if twin is not None:
        _name(tail_frame(migration), migration.kind, (4, 3), ax)
        _name(tail_frame(twin), twin.kind, (-4, -3), ax)
    ax.set_xlim(left=0)
    ax.set_ylim(0, top_mib)
    return ax


def _name(frame: pd.DataFrame, kind: str, offset: tuple[float, float], ax: Axes) -> None:
    """Write what a line is beside its second point."""
    if len(frame) > 1:
        point = frame.iloc[1]
        place = (float(to_ms(point["t_ns"])), float(to_mib(point["pending_bytes"])))
        label(ax, kind, place, offset)


def _pending(frame: pd.DataFrame, kind: str, ax: Axes, *, over: bool) -> None:
    """Draw the falling line; the part inside save_complete keeps the colour of its phase."""
    for part, phase in (("iterate", "postcopy"), ("save_complete", "save_complete")):
        rows = frame[frame["part"] == part]
        if part == "iterate":
            rows = pd.concat([rows, frame[frame["part"] == "save_complete"].iloc[:1]])
        ax.plot(
            to_ms(rows["t_ns"]),
            to_mib(rows["pending_bytes"]),
            label=f"{kind} {part}",
            **line_of(kind, phase_colour(phase), over=over),
        )


def _threshold(frame: pd.DataFrame, top_mib: float, ax: Axes) -> None:
    """Draw threshold_size as the level it was at each decision, and name it once."""
    times, levels = to_ms(frame["t_ns"]), to_mib(frame["threshold_size_bytes"])
    ax.plot(
        times,
        levels,
        drawstyle="steps-post",
        color=FAINT,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        zorder=2,
        label="threshold_size",
    )
    label(ax, "threshold_size", (0, min(levels[0], 0.9 * top_mib)), (3, 1.5), FAINT)
    beyond = levels > top_mib
    if beyond.any() and not beyond[0]:
        text = f"to {levels[beyond.argmax()]:,.0f} MiB"
        label(ax, text, (times[beyond.argmax()], top_mib), (-2, -1), FAINT, va="top")


def _save_complete(frame: pd.DataFrame, ax: Axes, explain: bool) -> None:
    """Hatch the area under the pending line inside save_complete, or mark it with a tick."""
    inside = frame[frame["part"] == "save_complete"]
    if inside.empty:
        return
    colour = phase_colour("save_complete")
    times, amounts = to_ms(inside["t_ns"]), to_mib(inside["pending_bytes"])
    if amounts[0] > 0:
        ax.fill_between(
            times, amounts, facecolor="none", edgecolor=colour, hatch="////", linewidth=0.0
        )
    else:
        ax.plot(times[:1], [0], marker="|", markersize=11, color=colour, clip_on=False, zorder=5)
    if explain:
        _explain(inside, ax)


def _explain(inside: pd.DataFrame, ax: Axes) -> None:
    """Write what save_complete did, with a hair line to the tick where there is no area."""
    first, last = inside.iloc[0], inside.iloc[-1]
    moved = int(first["pending_bytes"]) - int(last["pending_bytes"])
    text = (
        f"save_complete: {moved / MIB:.0f} MiB\nmoved with the big lock held:\n"
        "no other iterable, no recovery"
        if moved
        else "save_complete: 0 pages\nall moved by iterations:\nother iterables, recovery"
    )
    colour = phase_colour("save_complete")
    leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "linestyle": ":", "shrinkB": 6}
    ax.annotate(
        text,
        (float(to_ms(last["t_ns"])), 0),
        xytext=(0.99, 0.99),
        textcoords="axes fraction",
        ha="right",
        va="top",
        fontsize=6.5,
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        arrowprops=None if moved else leader,
        zorder=6,
    )
