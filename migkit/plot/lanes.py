"""Swim lanes: the states of both sides over time, and on which side the VM runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from migkit.plot.axes import NS_PER_S, label, rows_of
from migkit.style import INK, PALE, state_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration

SIDES: Final = {"source": 1.0, "dest": 0.0}
_NAMES: Final = {"source": "source", "dest": "destination"}
_VM_STARTED: Final = ("dst-postcopy-bh-vm-started", "dst-precopy-bh-vm-started")
_BAND: Final = 0.34
# Share of the shown time that one letter of a state's name takes in a single column.
_ROOM: Final = 0.0172
# Dark colours carry white text.
_DARK: Final = {"failed", "device", "pre-switchover", "active", "completed"}


def state_spans(migration: Migration, until_ns: int | None = None) -> pd.DataFrame:
    """Return how long each side was in each state of migration.

    Parameters
    ----------
    migration : Migration
        A run with ``migrate_set_state`` events.
    until_ns : int, optional
        End of the last state of each side; by default the last event of the run.

    Returns
    -------
    DataFrame
        Columns ``side``, ``state``, ``start_ns`` and ``end_ns``.
    """
    events = migration.events_of("migrate_set_state")
    end = int(migration.events["t_ns"].max()) if until_ns is None else until_ns
    spans = []
    for side in SIDES:
        own = events[events["side"] == side]
        starts = own["t_ns"].astype("int64").tolist()
        states = own["new_state"].astype(str).tolist()
        spans += list(zip([side] * len(own), states, starts, [*starts[1:], end], strict=False))
    return pd.DataFrame(spans, columns=["side", "state", "start_ns", "end_ns"])


def vm_spans(migration: Migration, until_ns: int | None = None) -> pd.DataFrame:
    """Return when the VM ran on each side.

    The source runs until it is stopped for the switchover, and again from the moment that its
    migration failed (QEMU restarts a VM that ran before, migration/migration.c
    ``migration_iteration_finish``). The destination runs from its own checkpoint.

    Parameters
    ----------
    migration : Migration
        A run with ``vmstate_downtime_checkpoint`` events.
    until_ns : int, optional
        End of what is shown; by default the last event of the run.

    Returns
    -------
    DataFrame
        Columns ``side``, ``start_ns`` and ``end_ns``.
    """
    end = int(migration.events["t_ns"].max()) if until_ns is None else until_ns
    stopped = _checkpoint(migration, ("src-vm-stopped",))
    started = _checkpoint(migration, _VM_STARTED)
    spans = [("source", 0, end if stopped is None else stopped)]
    states = state_spans(migration, end)
    failed = states[(states["side"] == "source") & (states["state"] == "failed")]
    if stopped is not None and not failed.empty:
        spans.append(("source", int(failed["start_ns"].iloc[0]), end))
    if started is not None:
        spans.append(("dest", started, end))
    return pd.DataFrame(spans, columns=["side", "start_ns", "end_ns"])


def lanes(
    migration: Migration, *, ax: Axes, from_s: float = 0.0, until_s: float | None = None
) -> Axes:
    """Draw both sides as lanes: state as colour, "VM runs here" as a thick line.

    Parameters
    ----------
    migration : Migration
        A run with events of both sides.
    ax : Axes
        Where to draw.
    from_s, until_s : float
        Part of the run that is shown, in seconds since ``migrate``.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``.
    """
    last = int(migration.events["t_ns"].max())
    until = 1.02 * last / NS_PER_S if until_s is None else until_s
    end_ns = int(until * NS_PER_S)
    for span in rows_of(state_spans(migration, end_ns)):
        _band(span, max(span.start_ns / NS_PER_S, from_s), (until - from_s), ax)
    runs = vm_spans(migration, end_ns)
    for run in rows_of(runs[runs["end_ns"] > from_s * NS_PER_S]):
        y = SIDES[run.side] - 0.3
        times = [max(run.start_ns / NS_PER_S, from_s), run.end_ns / NS_PER_S]
        ax.plot(times, [y, y], color=INK, linewidth=3.5, label=f"VM runs on {run.side}")
    label(ax, "VM runs here", (from_s, SIDES["source"] - 0.3), (0, -3), INK, ha="left", va="top")
    _cut(migration, ax)
    _split_brain(runs, ax)
    ax.set(xlim=(from_s, until), ylim=(-0.65, 1.45), xlabel="time since migrate (s)")
    ax.set_yticks(list(SIDES.values()), [_NAMES[side] for side in SIDES])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def _band(span: Any, start_s: float, shown_s: float, ax: Axes) -> None:
    """Draw one state as a band, with its name where there is room for it."""
    end_s = span.end_ns / NS_PER_S
    if end_s <= start_s:
        return
    y = SIDES[span.side]
    paused = "paused" in span.state
    ax.barh(
        y,
        end_s - start_s,
        left=start_s,
        height=_BAND,
        color=state_colour(span.state),
        edgecolor="white",
        linewidth=0.4,
        hatch="////" if paused else None,
        label=f"{span.side} {span.state}",
    )
    name = _fitting_name(span.state, (end_s - start_s) / shown_s)
    if name is None:
        if span.state == "postcopy-recover":
            label(ax, "recover", (start_s, y + _BAND / 2), (0, 1.5), INK, ha="right")
        return
    properties: dict[str, Any] = {"fontsize": 6.0, "ha": "center", "va": "center"}
    if paused:
        properties["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    colour = "white" if span.state in _DARK else INK
    ax.text((start_s + end_s) / 2, y, name, color=colour, **properties)


def _fitting_name(state: str, share: float) -> str | None:
    """Return the state's name, a short form of it, or None, by the share of the width it has."""
    short = "postcopy" if state == "postcopy-active" else state.removeprefix("postcopy-")
    names = (state, short)
    return next((name for name in names if share >= _ROOM * len(name)), None)


def _cut(migration: Migration, ax: Axes) -> None:
    """Mark the moment at which the source sees its connection fail."""
    errors = migration.events_of("migrate_error")
    if errors.empty:
        return
    at_s = int(errors["t_ns"].iloc[0]) / NS_PER_S
    ax.axvline(at_s, color=INK, linewidth=0.8, linestyle=(0, (2, 1.5)), zorder=0.5)
    label(ax, "connection cut", (at_s, 1.45), (-3, -1), INK, va="top")


def _split_brain(runs: pd.DataFrame, ax: Axes) -> None:
    """Shade the time in which the VM runs on both sides."""
    source = runs[runs["side"] == "source"].iloc[-1]
    dest = runs[runs["side"] == "dest"]
    if dest.empty:
        return
    start_ns = max(int(source["start_ns"]), int(dest["start_ns"].iloc[0]))
    if start_ns >= int(source["end_ns"]):
        return
    start_s, end_s = start_ns / NS_PER_S, int(source["end_ns"]) / NS_PER_S
    ax.axvspan(start_s, end_s, facecolor=PALE, zorder=0)
    ax.text(
        (start_s + end_s) / 2,
        (SIDES["source"] + SIDES["dest"]) / 2 - 0.06,
        "split brain: two VMs run",
        ha="center",
        va="center",
        fontweight="bold",
        fontsize=6.5,
    )


def _checkpoint(migration: Migration, names: tuple[str, ...]) -> int | None:
    """Return the time of the first of some checkpoints, or None."""
    events = migration.events_of("vmstate_downtime_checkpoint")
    if events.empty:
        return None
    times = events.loc[events["checkpoint"].astype(str).isin(names), "t_ns"]
    return None if times.empty else int(times.iloc[0])
