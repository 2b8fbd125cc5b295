"""How close two profiles come to all captures, and which of them is closer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from migkit.calibrate.explanation import FITTED, SAME, SAME_PERCENT, SHIPPED, CaptureFit

__all__ = ["closer", "sums"]


def sums(captures: Iterable[CaptureFit], which: str) -> dict[str, Any]:
    """Sum up the twins of one profile.

    Parameters
    ----------
    captures : iterable of CaptureFit
        All captures.
    which : {"fitted", "shipped"}
        The profile.

    Returns
    -------
    dict
        ``explained`` of ``simulated`` captures; median and maximum of the absolute error of the
        total time in percent, and its median against the traced recordings alone; ``alike`` of
        ``judged`` numbers.
    """
    twins = [twin for item in captures if (twin := getattr(item, which)) is not None]
    errors = [abs(twin.error_percent) for twin in twins if twin.error_percent is not None]
    traced = [twin.traced_error_percent for twin in twins]
    traced_errors = [abs(error) for error in traced if error is not None]
    return {
        "simulated": len(twins),
        "explained": sum(twin.explained for twin in twins),
        "total_time_median_ape_percent": median(errors) if errors else None,
        "total_time_max_ape_percent": max(errors, default=None),
        "traced_median_ape_percent": median(traced_errors) if traced_errors else None,
        "alike": sum(twin.alike for twin in twins),
        "judged": sum(twin.judged for twin in twins),
    }


def closer(fitted: Mapping[str, Any], shipped: Mapping[str, Any]) -> str:
    """Say which profile is closer to the captures.

    Parameters
    ----------
    fitted, shipped : mapping
        As `sums` gives them.

    Returns
    -------
    str
        ``fitted`` or ``shipped`` only if it is no worse in explained captures, in the median
        error of the total time and in numbers alike, and better in one; ``the same`` if all are
        equal, otherwise ``neither``.
    """
    signs = []
    for name, sign in (("explained", 1), ("total_time_median_ape_percent", -1), ("alike", 1)):
        gain = sign * ((fitted[name] or 0) - (shipped[name] or 0))
        signs.append(0 if abs(gain) < SAME_PERCENT else 1 if gain > 0 else -1)
    if not any(signs):
        return SAME
    return FITTED if min(signs) >= 0 else SHIPPED if max(signs) <= 0 else "neither"
