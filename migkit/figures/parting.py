"""The figure of two runs that part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from migkit import plot
from migkit.style import paper, size

if TYPE_CHECKING:
    from migkit.compare import Comparison


def parting(comparison: Comparison) -> Figure:
    """Draw two runs: what is pending in both, and how far their windows are apart.

    Parameters
    ----------
    comparison : Comparison
        What `migkit.compare` returned.

    Returns
    -------
    Figure
        8.5 cm wide: pending over time with the parting marked, and below it the difference of
        time and of bytes for each window, twin minus real.
    """
    with paper():
        figure = Figure(figsize=size("single-column", 10.5))
        panels = figure.subplots(3, 1, sharex=True, height_ratios=(2.2, 1.2, 1))
        draw = (plot.pending_of_both, plot.window_times, plot.window_bytes)
        for ax, panel in zip(panels, draw, strict=True):
            panel(comparison, ax=ax)
            ax.label_outer()
        figure.align_ylabels(panels)
    return figure
