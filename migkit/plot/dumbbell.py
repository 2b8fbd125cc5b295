"""Pages left to ``save_complete``, before and after the rewrite, a row for each pair of runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import pandas as pd

from migkit.plot.axes import label
from migkit.style import FAINT, INK, marker_of, side_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration

SHAPES: Final = {"before": "D", "after": "o"}
_SIMULATED_LOWER: Final = 0.28


def pages_inside(migration: Migration) -> int | None:
    """Return the dirty pages that ``save_complete`` found when it began.

    Parameters
    ----------
    migration : Migration
        A run, recorded or simulated.

    Returns
    -------
    int or None
        Pages of 4 KiB; None when the run never came to ``save_complete``.
    """
    calls = migration.ram_save_complete()
    begun = calls.loc[calls["done"] == 0, "dirty"]
    return None if begun.empty else int(begun.iloc[0])


def save_complete_frame(runs: Iterable[tuple[str, str, Migration]]) -> pd.DataFrame:
    """Return the pages inside ``save_complete`` of several runs.

    Parameters
    ----------
    runs : iterable of (str, str, Migration)
        Name of the pair, side ("before" or "after"), run.

    Returns
    -------
    DataFrame
        Columns ``pair``, ``side``, ``kind`` and ``pages`` (int64). Runs that never came to
        ``save_complete`` are left out.
    """
    rows = [(pair, side, run.kind, pages_inside(run)) for pair, side, run in runs]
    frame = pd.DataFrame(rows, columns=["pair", "side", "kind", "pages"])
    return frame.dropna(subset="pages").astype({"pages": "int64"}).reset_index(drop=True)


def dumbbell(frame: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw a row for each pair: before and after joined by a line, simulated runs hollow.

    Parameters
    ----------
    frame : DataFrame
        What `save_complete_frame` returns.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in pages, a row for each pair.
    """
    pairs = list(dict.fromkeys(frame["pair"]))
    for (pair, kind), rows in frame.groupby(["pair", "kind"], sort=False):
        pair, kind = str(pair), str(kind)
        lower = _SIMULATED_LOWER if _has_both(frame, pair) and kind == "simulated" else 0.0
        _row(rows, pairs.index(pair) + lower, kind, ax)
    ax.set_yticks(range(len(pairs)), pairs)
    ax.set_ylim(len(pairs) - 0.35, -0.75)
    ax.set_xlim(left=-0.03 * frame["pages"].max(), right=1.2 * frame["pages"].max())
    ax.set_xlabel("pages left to save_complete")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")
    _name_sides(frame, ax)
    return ax


def _has_both(frame: pd.DataFrame, pair: str) -> bool:
    """Tell whether a pair has recorded and simulated runs."""
    return frame.loc[frame["pair"] == pair, "kind"].nunique() > 1


def _row(rows: pd.DataFrame, y: float, kind: str, ax: Axes) -> None:
    """Draw the joining line, the two marks and the number of pages before."""
    ax.plot(rows["pages"], [y] * len(rows), color=FAINT, linewidth=0.8, zorder=1)
    for side, pages in zip(rows["side"], rows["pages"], strict=True):
        ax.plot(
            [pages],
            [y],
            linestyle="none",
            marker=SHAPES[side],
            markersize=5,
            clip_on=False,
            zorder=3,
            label=f"{kind} {side}",
            **marker_of(kind, side_colour(side)),
        )
        if pages > 0:
            label(ax, f"{pages:,}", (pages, y), (5, 0), INK)


def _name_sides(frame: pd.DataFrame, ax: Axes) -> None:
    """Name the sides above their marks in the first row."""
    first = frame[frame["pair"] == frame["pair"].iloc[0]].drop_duplicates("side")
    for side, pages in zip(first["side"], first["pages"], strict=True):
        colour = side_colour(side)
        label(ax, side, (pages, 0), (0, 5), colour, fontweight="bold", ha="center")
