"""The decision map: where the completion rules before and after the rewrite differ.

Nothing is decided here: the regions come from calling the engine's own decision functions.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from migkit._engine import decisions
from migkit.plot.axes import PAGE_BYTES, label, rows_of
from migkit.schema import DECISIONS
from migkit.style import INK, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Row of the map -> (in_postcopy, start_postcopy), from the bottom up.
STATES: Final = {
    "precopy": (False, False),
    "precopy, postcopy\nasked for": (False, True),
    "postcopy": (True, True),
}
# Row of the map -> points of the commit that its differing regions show.
POINTS: Final = {"precopy": "(4)", "precopy, postcopy\nasked for": "(3)", "postcopy": "(1) (2)"}
_WORDS: Final = {"iterate": "iterate", "complete": "complete", "postcopy_start": "start postcopy"}
_THRESHOLD_PAGES: Final = 100
_STRONG: Final = "#3D4A5C"
# Pending 0 and pending = threshold have no width of their own; the map gives them one.
_ZERO_WIDTH: Final = 0.42
_EQUAL_WIDTH: Final = 0.08


def decision_frame() -> pd.DataFrame:
    """Return what both rules decide for pending from 0 to twice the threshold.

    Returns
    -------
    DataFrame
        Columns ``state`` (a key of `STATES`), ``pending_pages``, ``threshold_pages``,
        ``before`` and ``after`` (names of decisions), ``exact_before`` and ``exact_after``
        (whether the pass asks for the exact pending size). Only RAM is pending: all of it can be
        sent in postcopy once that is asked for, none of it otherwise.
    """
    rows = [
        (name, pages, _THRESHOLD_PAGES, *_decide(*state, pages * PAGE_BYTES))
        for name, state in STATES.items()
        for pages in range(2 * _THRESHOLD_PAGES + 1)
    ]
    columns = ["state", "pending_pages", "threshold_pages", "before", "after"]
    return pd.DataFrame(rows, columns=[*columns, "exact_before", "exact_after"])


def decision_map(frame: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw the map: regions where both rules agree pale, where they differ strong.

    Parameters
    ----------
    frame : DataFrame
        What `decision_frame` returns.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x is pending / threshold (0 and 1 widened), a row for each state.
    """
    states = list(dict.fromkeys(frame["state"]))
    for row, state in enumerate(states):
        for region in rows_of(regions(frame[frame["state"] == state])):
            _region(region, row, POINTS[state], ax)
    ax.plot([1, 1], [-0.5, len(states) - 0.5], color=INK, linewidth=0.8, zorder=3)
    label(ax, "pending = threshold", (1, len(states) - 0.5), (0, 1), INK)
    ax.set(xlim=(-_ZERO_WIDTH, 2), ylim=(-0.5, len(states) - 0.3), xlabel="pending / threshold")
    ax.set_xticks([-_ZERO_WIDTH / 2, 0.5, 1, 1.5, 2], ["0", "0.5", "1", "1.5", "2"])
    ax.set_yticks(range(len(states)), states)
    ax.tick_params(axis="both", length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def regions(cells: pd.DataFrame) -> pd.DataFrame:
    """Join neighbouring cells of one state in which each rule decides the same.

    Parameters
    ----------
    cells : DataFrame
        The rows of one state of `decision_frame`, by rising pending.

    Returns
    -------
    DataFrame
        Columns ``start`` and ``end`` (pending / threshold, 0 and 1 widened), ``before`` and
        ``after``.
    """
    rows = []
    for (before, after), run in groupby(
        rows_of(cells), key=lambda cell: (cell.before, cell.after)
    ):
        edges = [_edges(cell.pending_pages, cell.threshold_pages) for cell in run]
        rows.append((edges[0][0], edges[-1][1], before, after))
    return pd.DataFrame(rows, columns=["start", "end", "before", "after"])


def _edges(pending_pages: int, threshold_pages: int) -> tuple[float, float]:
    """Return where the cell of one value of pending begins and ends on the x axis."""
    if pending_pages == 0:
        return -_ZERO_WIDTH, 0.0
    if pending_pages == threshold_pages:
        return 1 - _EQUAL_WIDTH / 2, 1 + _EQUAL_WIDTH / 2
    if pending_pages < threshold_pages:
        step = (1 - _EQUAL_WIDTH / 2) / (threshold_pages - 1)
        return (pending_pages - 1) * step, pending_pages * step
    ratio, step = pending_pages / threshold_pages, 1 / threshold_pages
    return max(ratio - step, 1 + _EQUAL_WIDTH / 2), ratio


def _region(region: Any, row: int, point: str, ax: Axes) -> None:
    """Draw one region with what the rules decide in it."""
    differ = region.before != region.after
    width, middle = region.end - region.start, (region.start + region.end) / 2
    ax.barh(
        row,
        width,
        left=region.start,
        height=0.86,
        color=_STRONG if differ else PALE,
        edgecolor="white",
        linewidth=1.0,
    )
    text = f"{point}\nbefore: {_WORDS[region.before]}\nafter: {_WORDS[region.after]}"
    if not differ:
        gap = "\n" if width < 2 * _ZERO_WIDTH else " "
        text = f"both{gap}{_WORDS[region.before]}"
    if width > _EQUAL_WIDTH * 1.5:
        low = 0.3 if not differ and region.start > 1 and point == "(4)" else 0.0
        colour = "white" if differ else INK
        ax.text(middle, row - low, text, ha="center", va="center", fontsize=6.0, color=colour)
        return
    label(ax, text, (region.end, row + 0.12), (2, 0), INK, fontsize=6.0, fontweight="bold")


def _decide(
    in_postcopy: bool, start_postcopy: bool, pending_bytes: int
) -> tuple[str, str, bool, bool]:
    """Ask both rules about one pass."""
    threshold = _THRESHOLD_PAGES * PAGE_BYTES
    must_precopy = 0 if start_postcopy else pending_bytes
    case = (in_postcopy, pending_bytes, must_precopy, threshold, True, start_postcopy)
    return (
        DECISIONS[decisions.completion_before(*case)],
        DECISIONS[decisions.completion_after(*case)],
        bool(decisions.exact_wanted_before(pending_bytes, threshold)),
        bool(decisions.exact_wanted_after(in_postcopy, pending_bytes, threshold)),
    )
