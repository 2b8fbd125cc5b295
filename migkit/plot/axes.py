"""What all plots share: conversion to the units of an axis, direct labels, and clean scales."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from migkit.style import FAINT, INK

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.text import Annotation

MIB: Final = 1 << 20
PAGE_BYTES: Final = 4096
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000


def to_mib(amount_bytes: Any) -> np.ndarray:
    """Return bytes as float MiB; missing values become NaN."""
    return _floats(amount_bytes) / MIB


def to_ms(t_ns: Any) -> np.ndarray:
    """Return nanoseconds as float milliseconds; missing values become NaN."""
    return _floats(t_ns) / NS_PER_MS


def to_s(t_ns: Any) -> np.ndarray:
    """Return nanoseconds as float seconds; missing values become NaN."""
    return _floats(t_ns) / NS_PER_S


def label(
    ax: Axes,
    text: str,
    xy: tuple[float, float],
    offset: tuple[float, float] = (3.0, 0.0),
    colour: str = INK,
    **text_properties: Any,
) -> Annotation:
    """Write a direct label at a data point, moved by an offset in points.

    Parameters
    ----------
    ax : Axes
        Where.
    text : str
        What.
    xy : tuple of float
        Data coordinates of what is labelled.
    offset : tuple of float
        How far from it the text is anchored, in points.
    colour : str
        Colour of the text.
    **text_properties : Any
        Further properties of the text; ``fontsize`` 6.5, ``va`` and ``ha`` by the offset.

    Returns
    -------
    Annotation
        The text.
    """
    dx, dy = offset
    properties: dict[str, Any] = {
        "fontsize": 6.5,
        "color": colour,
        "ha": "left" if dx > 0 else "right" if dx < 0 else "center",
        "va": "bottom" if dy > 0 else "top" if dy < 0 else "center",
        "annotation_clip": False,
        **text_properties,
    }
    return ax.annotate(text, xy, xytext=offset, textcoords="offset points", **properties)


def plain_log(axis: Axis) -> None:
    """Make an axis logarithmic, with ticks written as people write numbers (0.1, 1, 1,000).

    Call it after drawing: ticks at 2 and 5 are added where the data span less than two decades.
    """
    name: Any = "xscale" if axis is axis.axes.xaxis else "yscale"
    axis.axes.set(**{name: "log"})
    low, high = axis.get_view_interval()
    narrow = low > 0 and high / low < 80
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if narrow else (1,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _position: plain_number(value)))
    axis.set_minor_formatter(NullFormatter())


def plain_number(value: float) -> str:
    """Write a number without an exponent, with separators from 1,000 upward.

    Examples
    --------
    >>> [plain_number(value) for value in (0.01, 0.5, 1.0, 20.0, 1500.0)]
    ['0.01', '0.5', '1', '20', '1,500']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame as named tuples."""
    yield from frame.itertuples(index=False)


def empty(ax: Axes, reason: str) -> Axes:
    """Say on the axes why there is nothing to draw.

    Parameters
    ----------
    ax : Axes
        Where.
    reason : str
        One short sentence.

    Returns
    -------
    Axes
        The same axes.
    """
    ax.text(
        0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=FAINT, wrap=True
    )
    return ax


def _floats(values: Any) -> np.ndarray:
    """Return numbers, nullable or not, as float64 with NaN for what is missing."""
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan))
    return np.asarray(values, dtype="float64")
