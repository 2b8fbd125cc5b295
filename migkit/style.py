"""The house style of figures: what a colour, a line and a size mean.

Colour says one thing in a figure: the *phase* of a migration, or the *side* of a comparison
(before or after the rewrite). Neighbours of a set differ by at least 9 steps of lightness (L*),
so that it survives grey print and the common forms of colour blindness. What was recorded is a
line or a filled mark; what was simulated is a thin dark line or a hollow mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import matplotlib as mpl

from migkit.errors import InputError, did_you_mean

_Value = TypeVar("_Value")

# Colours are ordered by lightness, from dark to light; the tests hold the distances.
PHASE_COLOURS: Final[dict[str, str]] = {
    "switchover": "#1E1E1E",
    "save_complete": "#8A1C5B",
    "precopy": "#2A6DB0",
    "done": "#3E9C7C",
    "postcopy": "#E69F24",
    "setup": "#D3D8DE",
}
SIDE_COLOURS: Final[dict[str, str]] = {"before": "#8C2317", "after": "#2F93C4"}

INK: Final = "#222222"
FAINT: Final = "#777777"
PALE: Final = "#EEF0F2"

CM: Final = 1 / 2.54
WIDTHS_CM: Final[dict[str, float]] = {"single-column": 8.5, "double-column": 17.5}

# QEMU's source states, and the phase each of them belongs to.
PHASE_OF_STATE: Final[dict[str, str]] = {
    "none": "setup",
    "setup": "setup",
    "wait-unplug": "setup",
    "active": "precopy",
    "colo": "precopy",
    "pre-switchover": "switchover",
    "device": "switchover",
    "postcopy-device": "postcopy",
    "postcopy-active": "postcopy",
    "postcopy-recover-setup": "setup",
    "postcopy-recover": "setup",
    "postcopy-paused": "setup",
    "cancelling": "setup",
    "cancelled": "setup",
    "failing": "switchover",
    "failed": "switchover",
    "completed": "done",
}

_RC: Final[dict[str, Any]] = {
    # DejaVu Sans comes with Matplotlib, so text is set alike on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    "lines.solid_capstyle": "butt",
    "hatch.linewidth": 0.5,
    "text.color": INK,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    # Text stays text in both vector formats; PDF embeds TrueType, SVG gets its font on saving.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "migkit",
    "figure.constrained_layout.use": True,
}


def phase_colour(phase: str) -> str:
    """Return the colour of a phase of migration.

    Parameters
    ----------
    phase : {"setup", "precopy", "switchover", "postcopy", "save_complete", "done"}
        The phase.

    Returns
    -------
    str
        ``#RRGGBB``.

    Raises
    ------
    InputError
        The phase has no colour.

    Examples
    --------
    >>> phase_colour("postcopy")
    '#E69F24'
    """
    return _lookup("phase", phase, PHASE_COLOURS)


def side_colour(side: str) -> str:
    """Return the colour of a side of the comparison before and after the rewrite.

    Parameters
    ----------
    side : {"before", "after"}
        The side.

    Returns
    -------
    str
        ``#RRGGBB``.

    Raises
    ------
    InputError
        The side has no colour.
    """
    return _lookup("side", side, SIDE_COLOURS)


def state_colour(state: str) -> str:
    """Return the colour of the phase that a QEMU migration state belongs to.

    Parameters
    ----------
    state : str
        A state as ``query-migrate`` names it.

    Returns
    -------
    str
        ``#RRGGBB``.

    Raises
    ------
    InputError
        No such state.
    """
    return PHASE_COLOURS[_lookup("migration state", state, PHASE_OF_STATE)]


def line_of(kind: str, colour: str, *, over: bool = False) -> dict[str, Any]:
    """Return the line properties of a run, by whether it was recorded or simulated.

    Parameters
    ----------
    kind : {"recorded", "simulated"}
        ``Migration.kind``.
    colour : str
        Colour of a recorded line; a simulated one is thin and dark.
    over : bool
        The line lies over another of its colour: a simulated one is dashed to let that be seen.

    Returns
    -------
    dict
        Keyword arguments of ``Axes.plot``.
    """
    if kind == "simulated":
        dashes = (0, (3, 1.2)) if over else "-"
        return {"color": INK, "linewidth": 0.8, "linestyle": dashes, "zorder": 4}
    return {"color": colour, "linewidth": 2.0, "zorder": 3}


def marker_of(kind: str, colour: str) -> dict[str, Any]:
    """Return the marker properties of a run: filled when recorded, hollow when simulated.

    Parameters
    ----------
    kind : {"recorded", "simulated"}
        ``Migration.kind``.
    colour : str
        Colour of the mark.

    Returns
    -------
    dict
        Keyword arguments of ``Axes.plot``.
    """
    face = "white" if kind == "simulated" else colour
    return {
        "markerfacecolor": face,
        "markeredgecolor": colour,
        "markeredgewidth": 1.0,
    }


def size(width: str, height_cm: float) -> tuple[float, float]:
    """Return a figure size in inches for a named column width.

    Parameters
    ----------
    width : {"single-column", "double-column"}
        8.5 cm or 17.5 cm.
    height_cm : float
        Height in centimetres, above 0.

    Returns
    -------
    tuple of float
        Width and height in inches.

    Raises
    ------
    InputError
        The width has another name.

    Examples
    --------
    >>> [round(inches, 2) for inches in size("single-column", 5.08)]
    [3.35, 2.0]
    """
    return _lookup("figure width", width, WIDTHS_CM) * CM, height_cm * CM


@contextmanager
def paper(width: str = "single-column", height_cm: float = 6.0) -> Iterator[None]:
    """Draw in the house style within a ``with`` block; the settings before it come back after.

    Parameters
    ----------
    width : {"single-column", "double-column"}
        Default width of figures made inside.
    height_cm : float
        Default height of figures made inside, in centimetres.

    Yields
    ------
    None
        Nothing; the style is Matplotlib's state inside the block.

    Raises
    ------
    InputError
        The width has another name.
    """
    settings: Any = {**_RC, "figure.figsize": size(width, height_cm)}
    with mpl.rc_context(settings):
        yield


def _lookup(what: str, name: str, known: dict[str, _Value]) -> _Value:
    """Return ``known[name]``, or say which names there are."""
    try:
        return known[name]
    except KeyError:
        raise InputError.of(
            f"{what} {name!r}", "not one that has a style", did_you_mean(name, known)
        ) from None
