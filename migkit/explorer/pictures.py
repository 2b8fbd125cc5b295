"""The explorer's picture: staircase and rounds side by side, A faint behind B."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from migkit import plot
from migkit.figures.convergence import staircase_of
from migkit.style import paper, size

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from migkit.explorer.model import ExplorerModel
    from migkit.results import Migration

HEIGHT_CM: Final = 6.5
DPI: Final = 160
_FAINT: Final = 0.22
_MARGINS: Final = {"left": 0.07, "right": 0.985, "bottom": 0.15, "top": 0.91, "wspace": 0.26}


def picture(model: ExplorerModel) -> bytes:
    """Draw the model's run, with the pinned one faint behind it.

    Parameters
    ----------
    model : ExplorerModel
        What to draw.

    Returns
    -------
    bytes
        A PNG, of the same size for every run.
    """
    with paper():
        figure = draw(model.result, model.pinned_result)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def draw(current: Migration, pinned: Migration | None = None) -> Figure:
    """Draw staircase and rounds of a run side by side.

    Parameters
    ----------
    current : Migration
        The run in full strength (B).
    pinned : Migration, optional
        The run behind it (A), faint and without labels.

    Returns
    -------
    Figure
        17.5 cm wide.
    """
    with paper(), mpl.rc_context({"figure.constrained_layout.use": False}):
        # Fixed margins: quicker than fitted ones, and the axes stay where they are.
        figure = Figure(figsize=size("double-column", HEIGHT_CM))
        figure.subplots_adjust(**_MARGINS)
        left, right = figure.subplots(1, 2)
        if pinned is not None:
            staircase_of(pinned, ax=left)
            plot.rounds(pinned, ax=right)
            for ax in (left, right):
                fade(ax)
            right.autoscale()  # limits that fit A would hide a longer B
        staircase_of(current, ax=left)
        plot.rounds(current, ax=right)
        left.set_title("why it converges, or not")
        right.set_title("how it goes")
    return figure


def fade(ax: Axes) -> None:
    """Make everything on the axes faint and take its labels away.

    Parameters
    ----------
    ax : Axes
        Axes that something was drawn on; what is drawn later keeps its strength.
    """
    drawn: list[Artist] = [*ax.lines, *ax.collections, *ax.patches]
    for artist in drawn:
        artist.set_alpha(_FAINT)
        artist.set_zorder(0.4)
    for text in [child for child in ax.get_children() if isinstance(child, Text)]:
        if text in ax.texts:
            text.remove()
