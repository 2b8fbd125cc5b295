"""Which pages a guest that is not there would ask for: patterns of faults.

A pattern yields moments and pages. It sees which pages are missing, as a guest's faults depend on
what has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from migkit._engine.writers import Writer, make_writer
from migkit.errors import InputError
from migkit.workloads import Workload
from migkit.workloads.text import parse_workload

__all__ = [
    "NO_PAGE",
    "FaultPattern",
    "Missing",
    "Pick",
    "none",
    "pattern_of",
    "picked",
    "recorded",
    "sequential",
    "uniform",
    "working",
]

Missing = Callable[[], npt.NDArray[np.bool_]]
"""Gives which pages are missing at this moment, by number through all blocks."""
FaultPattern = Callable[[Missing, int], Iterator[tuple[float, int]]]
"""Takes `Missing` and a seed; yields seconds since the guest runs, and the page it touches."""
Pick = Callable[[npt.NDArray[np.bool_], float], int | None]
"""A caller's own: which pages are missing, seconds since the guest runs; the page, or None at the
end of all."""

NO_PAGE = -1
"""A pattern that yields this has nothing to ask for at that moment, and goes on from there."""
_TRIES = 64
_SLICE_NS = 10_000_000


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


def working(workload: Workload) -> FaultPattern:
    """Ask for the pages that a workload touches, each at its moment, while they are missing.

    Parameters
    ----------
    workload : Workload
        Its pages are numbers through all blocks, of which the guest's RAM is the first. It does
        not stand still while a page is missing, as many vCPUs do not.

    Returns
    -------
    FaultPattern
        Ends when no page is missing. It draws by the workload's own seed.
    """

    def faults(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        return _touched(make_writer(workload.within(len(missing()))), missing)

    return faults


def _touched(writer: Writer, missing: Missing) -> Iterator[tuple[float, int]]:
    end_ns = 0
    while (absent := missing()).any():
        end_ns += _SLICE_NS
        while (write := writer.next_write(end_ns)) is not None:
            writer.drop_write()
            if absent[write[1]]:
                yield write[0] / 1e9, write[1]
        writer.raise_failure()
        yield end_ns / 1e9, NO_PAGE


def pattern_of(written: str | Workload | FaultPattern | None) -> FaultPattern | None:
    """Read a pattern as the command line has it.

    Parameters
    ----------
    written : str, Workload or FaultPattern, optional
        ``uniform:RATE``, ``sequential:RATE`` with requests per second; ``list:FILE``, a text file
        with a line ``SECONDS,PAGE`` for each; or ``workload:TEXT``, what a workload touches.

    Returns
    -------
    FaultPattern or None
        The pattern; None asks for nothing.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(written, Workload):
        return working(written)
    return _parsed(written) if isinstance(written, str) else written


def _parsed(written: str) -> FaultPattern:
    name, _, value = written.partition(":")
    if name == "workload":
        return working(parse_workload(value))
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
            "allowed uniform:RATE or sequential:RATE up to 1000000 requests/s, list:FILE, "
            "or workload:TEXT",
            "write one of these, such as uniform:500",
        )
    return makers[name](rate)


def none(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
    """Ask for nothing."""
    return iter(())
