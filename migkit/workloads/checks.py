"""Numbers of a workload's specification, checked."""

from __future__ import annotations

import math
import operator
from typing import Any

from migkit.errors import WorkloadError

__all__ = ["check_rate", "check_whole"]

_MOST_RATE = 10**12


def check_rate(spec: Any, rate: Any) -> None:
    """Refuse a rate that is no finite number from 0 up.

    Parameters
    ----------
    spec : Workload
        Whose rate it is; for the message.
    rate : int or float
        Pages in a second.

    Raises
    ------
    WorkloadError
        If it is anything else.
    """
    number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if not number or not math.isfinite(rate) or not 0 <= rate <= _MOST_RATE:
        raise WorkloadError.of(
            f"{spec.kind} workload: rate {rate!r} pages/s",
            f"allowed 0..{_MOST_RATE}",
            "give page writes in a second",
        )


def check_whole(spec: Any, name: str, low: int, high: int) -> None:
    """Refuse a field that is no whole number of a range; make it a plain int otherwise.

    Parameters
    ----------
    spec : Workload
        A frozen specification.
    name : str
        Name of its field.
    low, high : int
        The range, both ends included.

    Raises
    ------
    WorkloadError
        If the field is no such number.
    """
    value = getattr(spec, name)
    try:
        whole = operator.index(value)
    except TypeError:
        whole = low - 1
    if isinstance(value, bool) or not low <= whole <= high:
        raise WorkloadError.of(
            f"{spec.kind} workload: {name} {value!r}",
            f"allowed {low}..{high}",
            "give a whole number of that range",
        )
    object.__setattr__(spec, name, whole)
