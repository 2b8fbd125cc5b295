"""Which pages a guest that is not there would ask for: patterns of faults.

A pattern yields moments and pages. It sees which pages are missing, as a guest's faults depend on
what has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from migkit.errors import InputError

__all__ = [
    "FaultPattern",
    "Missing",
    "Pick",
    "none",
    "pattern_of",
    "picked",
    "recorded",
    "sequential",
    "uniform",
]

Missing = Callable[[], npt.NDArray[np.bool_]]
"""Gives which pages are missing at this moment, by number through all blocks."""
FaultPattern = Callable[[Missing, int], Iterator[tuple[float, int]]]
"""Takes `Missing` and a seed; yields seconds since the guest runs, and the page it touches."""
Pick = Callable[[npt.NDArray[np.bool_], float], int | None]
"""A caller's own: which pages are missing, seconds since the guest runs; the page, or None at the
end of all."""

_TRIES = 64


def uniform(rate_per_s: float) -> FaultPattern:
    """Ask at a steady rate for pages that are missing, each as likely.

    Parameters
    ----------
    rate_per_s : float
        Requests per second, above 0.

    Returns
    -------
    FaultPattern
        Ends when no page is missing.
    """

    def faults(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        draws = np.random.default_rng(seed)
        number = 0
        while (page := _draw(missing(), draws)) is not None:
            number += 1
            yield number / rate_per_s, page

    return faults


def _draw(absent: npt.NDArray[np.bool_], draws: np.random.Generator) -> int | None:
    """Draw a page that is missing: by trial where many are, from a list where few are."""
    for page in draws.integers(len(absent), size=_TRIES).tolist():
        if absent[page]:
            return int(page)
    left = np.flatnonzero(absent)
    return int(draws.choice(left)) if len(left) else None


def sequential(rate_per_s: float) -> FaultPattern:
    """Ask at a steady rate for the first page that is missing behind the last one asked for."""

    def faults(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        number, last = 0, -1
        while len(left := np.flatnonzero(missing())):
            behind = left[left > last]
            last = int(behind[0] if len(behind) else left[0])
            number += 1
            yield number / rate_per_s, last

    return faults


def recorded(seconds: npt.ArrayLike, pages: npt.ArrayLike) -> FaultPattern:
    """Ask for the pages of a list, each at its moment.

    Parameters
    ----------
    seconds : array of float
        Since the guest runs, ascending.
    pages : array of int
        Numbers through all blocks, in the stream's order.

    Returns
    -------
    FaultPattern
        Pages that are there already are passed over, as a guest would not fault.
    """
    moments, asked = np.asarray(seconds, float), np.asarray(pages, np.int64)
    if moments.shape != asked.shape or moments.ndim != 1 or (np.diff(moments) < 0).any():
        raise InputError.of(
            f"faults of {moments.shape} moments and {asked.shape} pages",
            "allowed one moment for each page, ascending",
            "sort the list",
        )

    def faults(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        yield from zip(moments.tolist(), asked.tolist(), strict=True)

    return faults


def picked(rate_per_s: float, pick: Pick) -> FaultPattern:
    """Ask at a steady rate for what a function returns."""

    def faults(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        number = 1
        while (page := pick(missing(), number / rate_per_s)) is not None:
            yield number / rate_per_s, page
            number += 1

    return faults


def pattern_of(written: str) -> FaultPattern:
    """Read a pattern as the command line has it.

    Parameters
    ----------
    written : str
        ``uniform:RATE``, ``sequential:RATE`` with requests per second; or ``list:FILE``, a text
        file with a line ``SECONDS,PAGE`` for each.

    Returns
    -------
    FaultPattern
        The pattern.

    Raises
    ------
    InputError
        If it is none.
    """
    name, _, value = written.partition(":")
    if name == "list" and value:
        try:
            table = np.loadtxt(Path(value), delimiter=",", ndmin=2)
            return recorded(table[:, 0], table[:, 1].astype(np.int64))
        except (OSError, ValueError, IndexError) as error:
            raise InputError.of(
                f"faults {written!r}", str(error), "give a file with lines SECONDS,PAGE"
            ) from None
    makers = {"uniform": uniform, "sequential": sequential}
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if name not in makers or not 0 < rate <= 1e6:
        raise InputError.of(
            f"faults {written!r}",
            "allowed uniform:RATE or sequential:RATE up to 1000000 requests/s, or list:FILE",
            "write one of these, such as uniform:500",
        )
    return makers[name](rate)


def none(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
    """Ask for nothing."""
    return iter(())
