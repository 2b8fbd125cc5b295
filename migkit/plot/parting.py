"""Two runs beside each other: what is pending in both, and how far their windows are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from matplotlib.ticker import FuncFormatter

from migkit.plot.axes import empty, label, plain_log, plain_number, to_mib, to_ms, to_s
from migkit.plot.rounds import pending_frame
from migkit.style import FAINT, INK, PALE, line_of, phase_colour, side_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.compare import Comparison

_KIB: Final = 1024
_LEGEND: Final[dict[str, Any]] = {
    "fontsize": 6.0,
    "facecolor": "white",
    "edgecolor": "none",
    "framealpha": 0.9,
    "borderpad": 0.2,
}
# What the label at the parting calls a column whose name says little outside its frame.
_CALLED: Final = {"t_ns": "time", "rows": "length"}


def window_frame(comparison: Comparison) -> pd.DataFrame:
    """Return how far the windows of two runs are apart.

    Parameters
    ----------
    comparison : Comparison
        Two runs.

    Returns
    -------
    DataFrame
        A row for each window that both have: ``t_ns`` (its end in the real run), ``apart_ns``
        (how much later it ends in the twin, both counted from the first pass), ``longer_ns``
        (how much longer it is there) and ``more_bytes`` (how many more bytes went out).
    """
    windows = comparison.windows
    apart = windows["t_ns_difference"]
    frame = pd.DataFrame(
        {
            "t_ns": windows["t_ns_real"],
            "apart_ns": apart,
            "longer_ns": apart.diff().fillna(apart),
            "more_bytes": windows["transferred_bytes_difference"],
        }
    )
    return frame.dropna().astype("int64").reset_index(drop=True)


def pending_of_both(comparison: Comparison, *, ax: Axes) -> Axes:
    """Draw what is pending in two runs over time, and mark where they part.

    Parameters
    ----------
    comparison : Comparison
        Two runs.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``, y in MiB, logarithmic.
    """
    ax.set(xlabel="time since migrate (s)", ylabel="pending (MiB)")
    # The second run is drawn as a twin is, also when both were recorded.
    for run, kind in ((comparison.real, "recorded"), (comparison.twin, "simulated")):
        if run.iterations["t_ns"].isna().any():
            return empty(ax, f"the log of {run.name} has no times")
        frame = pending_frame(run)
        shown = frame[frame["pending_bytes"] > 0]
        line = line_of(kind, phase_colour("precopy"), over=kind == "simulated")
        alike = comparison.real.name == comparison.twin.name
        name = run.name if not alike else "real" if kind == "recorded" else "twin"
        told = name if len(shown) else f"{name}: not in its log"  # QEMU 11.1 traces it no more
        ax.plot(to_s(shown["t_ns"]), to_mib(shown["pending_bytes"]), label=told, **line)
    ax.set_xlim(left=0)
    if ax.dataLim.y1 > 0:
        plain_log(ax.yaxis)
    ax.legend(loc="lower left", **_LEGEND)
    return mark_parting(comparison, ax=ax, text=True)


def window_times(comparison: Comparison, *, ax: Axes) -> Axes:
    """Draw for each window how much longer it is in the twin, and what that adds up to.

    Parameters
    ----------
    comparison : Comparison
        Two runs.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``, y in ms; the grain of time is shaded.
    """
    ax.set(xlabel="time since migrate (s)", ylabel="time: twin − real\n(ms)")
    frame = window_frame(comparison)
    if frame.empty:
        return empty(ax, "no window is known of both")
    grain_ms = float(to_ms(comparison.tolerance_ns))
    ax.axhspan(-grain_ms, grain_ms, color=PALE, zorder=0, label="tolerance")
    _stems(to_s(frame["t_ns"]), to_ms(frame["longer_ns"]), "each window", ax)
    ax.plot(
        to_s(frame["t_ns"]),
        to_ms(frame["apart_ns"]),
        color=side_colour("before"),
        linewidth=1.0,
        label="summed",
    )
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
    ax.legend(loc="upper left", ncols=3, handlelength=1.2, **_LEGEND)
    return mark_parting(comparison, ax=ax)


def window_bytes(comparison: Comparison, *, ax: Axes) -> Axes:
    """Draw for each window how many more bytes went out in the twin.

    Parameters
    ----------
    comparison : Comparison
        Two runs.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in s since ``migrate``, y in KiB.
    """
    ax.set(xlabel="time since migrate (s)", ylabel="bytes: twin − real\n(KiB)")
    frame = window_frame(comparison)
    if frame.empty:
        return empty(ax, "no window is known of both")
    _stems(to_s(frame["t_ns"]), frame["more_bytes"] / _KIB, "each window", ax)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: plain_number(value)))
    if not frame["more_bytes"].any():
        ax.set(ylim=(-1, 1), yticks=[0])
        ax.text(0.5, 0.6, "the same in every window", transform=ax.transAxes, ha="center")
    return mark_parting(comparison, ax=ax)


def mark_parting(comparison: Comparison, *, ax: Axes, text: bool = False) -> Axes:
    """Mark where two runs first part, and where their pages do.

    Parameters
    ----------
    comparison : Comparison
        Two runs.
    ax : Axes
        Where to draw, x in s since ``migrate``.
    text : bool
        Whether to say what parts there.

    Returns
    -------
    Axes
        The same axes.
    """
    marks = {"first": comparison.first, "pages": comparison.first_pages}
    if marks["first"] == marks["pages"]:
        del marks["pages"]
    taken_s = float("-inf")
    for what, parting in marks.items():
        if parting is None or parting.t_ns is None:
            continue
        at_s = float(to_s(parting.t_ns))
        ax.axvline(at_s, color=INK, linewidth=0.7, linestyle=(0, (1, 1.2)), zorder=2)
        if text:
            name = _CALLED.get(parting.counter, parting.counter)
            said = "pages part" if what == "pages" else f"{name} parts"
            towards = -3 if at_s > 0.5 * ax.dataLim.xmax else 3
            # A second label near the first one stands above it.
            height = 1.1 if at_s - taken_s < 0.5 * ax.dataLim.xmax else 1.02
            taken_s, place = at_s, ax.get_xaxis_transform()
            label(ax, said, (at_s, height), (towards, 0), xycoords=place, va="bottom")
    return ax


def _stems(at_s: Any, amounts: Any, name: str, ax: Axes) -> None:
    ax.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    ax.vlines(at_s, 0, amounts, color=phase_colour("precopy"), linewidth=1.0, label=name)
