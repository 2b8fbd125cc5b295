"""One number of the host profile after a calibration: its value and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from migkit.calibrate.costs import given, number_of
from migkit.calibrate.marks import Floats
from migkit.calibrate.uncertainty import spread_of
from migkit.host import HostProfile

__all__ = ["FITTED", "HIDDEN", "NOT_IDENTIFIED", "FittedConstant", "fitted_constant", "kept"]

FITTED: Final = "fitted"
NOT_IDENTIFIED: Final = "not identified"
_GIVEN: Final = "given"

_GRAIN_NS = 1000  # of a log's time stamp
_PER_PAGE: Final = {
    "sparse_page_ns": 200,
    "first_touch_page_ns": 500,
    "zero_page_ns": 500,
    "place_page_ns": 4000,
    "discard_command_ns": 10,
    "postcopy.discard_range_ns": 100,
    "multifd.write_byte_ps": 1000,
    "multifd.test_zero_page_ns": 10_000,
    "xbzrle.first_copy_ns": 200,
}
"""Costs whose spans are divided, and by how much at least."""

HIDDEN: Final = {
    "normal_page_ns": "first_touch_page_ns",
    "destination_page_ns": "sparse_page_ns",
    "destination_zero_page_ns": "zero_page_ns",
}
"""Costs that show only where they are larger than another one."""


@dataclass(frozen=True)
class FittedConstant:
    """One number of the host profile and what it rests on.

    Attributes
    ----------
    name : str
        Field of `migkit.host.HostProfile`, with the part's name before it if it is of a part; its
        unit is in the name.
    value, base : int or tuple of int
        Fitted value; value of the profile the fit began with.
    status : str
        ``fitted``, ``not identified`` or ``given``.
    median, quartile_low, quartile_high : int or None
        Of the recorded spans that show it, which may hold other costs as well.
    standard_error : int or None
        Of the median and so of the value; None with a single span.
    low, high : int or None
        90 % bootstrap interval over captures and spans, widened by the log's microsecond.
    observations : int
        How many spans show it.
    captures : tuple of str
        Where they are from.
    note : str
        Why the value is the base's, or limited; empty otherwise.
    """

    name: str
    value: Any
    base: Any
    status: str = NOT_IDENTIFIED
    median: int | None = None
    quartile_low: int | None = None
    quartile_high: int | None = None
    standard_error: int | None = None
    low: int | None = None
    high: int | None = None
    observations: int = 0
    captures: tuple[str, ...] = ()
    note: str = ""

    @property
    def fitted(self) -> bool:
        """Whether the captures show this constant."""
        return self.status == FITTED


def kept(name: str, base: HostProfile, profile: HostProfile, known: bool) -> FittedConstant:
    """Make the entry of a number that the captures do not show.

    Parameters
    ----------
    name : str
        The number.
    base, profile : HostProfile
        Before and after the fit.
    known : bool
        Whether some span would show it.

    Returns
    -------
    FittedConstant
        Given or not identified, and why.
    """
    value, before = number_of(profile, name), number_of(base, name)
    if owner := given(name):
        return FittedConstant(name, value, before, _GIVEN, note=owner)
    note = "no capture here shows it" if known else "no span of the logs shows it alone"
    if name in HIDDEN:
        note = f"not seen beside {HIDDEN[name]}"
    return FittedConstant(name, value, before, note=note)


def fitted_constant(
    name: str,
    base: HostProfile,
    profile: HostProfile,
    seen: Mapping[str, Floats],
    twin_median: float | None,
) -> FittedConstant:
    """Put a fitted constant together with its evidence and its uncertainty.

    Parameters
    ----------
    name : str
        The constant.
    base, profile : HostProfile
        Before and after the fit.
    seen : mapping of str to ndarray
        Capture to recorded spans; at least one.
    twin_median : float or None
        Median of the same spans in the fitted twins; None for a cost that its span is itself.

    Returns
    -------
    FittedConstant
        The entry of the report.
    """
    value = number_of(profile, name)
    spread = spread_of(list(seen.values()))
    low, high = spread.interval
    grain = -(-_GRAIN_NS // _PER_PAGE.get(name, 1))
    error = spread.standard_error
    return FittedConstant(
        name,
        value,
        number_of(base, name),
        FITTED,
        median=round(spread.median),
        quartile_low=round(spread.quartiles[0]),
        quartile_high=round(spread.quartiles[1]),
        standard_error=None if error is None else round(error),
        low=max(0, min(value, int(np.floor(value + low - spread.median)) - grain)),
        high=max(value, int(np.ceil(value + high - spread.median)) + grain),
        observations=sum(map(len, seen.values())),
        captures=tuple(seen),
        note=_misfit(value, spread.median, twin_median, grain) or _scarcity(seen, error),
    )


def _scarcity(seen: Mapping[str, Floats], error: float | None) -> str:
    if error is None:
        return "one span: no scatter"
    return "one capture: its own scatter only" if len(seen) == 1 else ""


def _misfit(value: int, median: float, twin_median: float | None, grain: int) -> str:
    """Say by how much the twin's span stays off."""
    off = 0.0 if twin_median is None else twin_median - median
    tolerance = max(0.05 * median, 2.0 * grain)
    if value == 0 and off > grain:
        return f"the other parts of its span are longer: twin {off / median:+.0%}"
    return f"the twin's span stays {off / median:+.0%} off" if abs(off) > tolerance else ""
