"""How sure a median is: quartiles of the spans, and the bootstrap over captures and spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from migkit.calibrate.marks import Floats

__all__ = ["Spread", "pooled_median", "spread_of"]

_RESAMPLES = 400
_INTERVAL = (5, 95)
_NORMAL_95 = 1.645
_STUDENT_95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833)
"""95 % point of Student's distribution with 1, 2, ... degrees of freedom."""


@dataclass(frozen=True)
class Spread:
    """Spans that show one cost, summed up; in the unit of the spans.

    Attributes
    ----------
    median : float
        Over all spans.
    quartiles : tuple of float
        A quarter of the spans is shorter than the first, a quarter longer than the second.
    standard_error : float or None
        Of the median; None with a single span, which tells nothing of it.
    interval : tuple of float
        90 % bootstrap interval of the median.
    """

    median: float
    quartiles: tuple[float, float]
    standard_error: float | None
    interval: tuple[float, float]


def pooled_median(values: Sequence[Floats]) -> float:
    """Return the median over the spans of all captures."""
    return float(np.median(np.concatenate(values)))


def spread_of(values: Sequence[Floats]) -> Spread:
    """Sum up spans, capture by capture.

    Captures are drawn first, then the spans in each: spans of one capture are more like each
    other than those of two, and a machine's next capture is a new one (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 8). A few captures scatter less among themselves
    than the machine does; error and interval are widened for that (Student, 1908).

    Parameters
    ----------
    values : sequence of ndarray
        Spans of each capture, none of them empty.

    Returns
    -------
    Spread
        Median and how sure it is; the same for the same spans.
    """
    every = np.concatenate(values)
    generator = np.random.default_rng(0)
    medians = np.empty(_RESAMPLES)
    for k in range(_RESAMPLES):
        drawn = [values[i] for i in generator.integers(len(values), size=len(values))]
        medians[k] = np.median(np.concatenate([generator.choice(v, size=len(v)) for v in drawn]))
    middle = float(np.median(every))
    error_factor, interval_factor = _small_sample(len(values) if len(values) > 1 else len(every))
    low, high = middle + interval_factor * (np.percentile(medians, _INTERVAL) - middle)
    first, third = np.percentile(every, (25, 75))
    return Spread(
        median=middle,
        quartiles=(float(first), float(third)),
        standard_error=error_factor * float(medians.std()) if len(every) > 1 else None,
        interval=(float(low), float(high)),
    )


def _small_sample(count: int) -> tuple[float, float]:
    """By how much to widen the standard error and the interval of so many independent values."""
    if count < 2:
        return 1.0, 1.0
    freedom = count - 1
    cubed = _NORMAL_95**3 + _NORMAL_95  # Cornish and Fisher's expansion, first term
    exact = freedom <= len(_STUDENT_95)
    student = _STUDENT_95[freedom - 1] if exact else _NORMAL_95 + cubed / (4 * freedom)
    error = (count / freedom) ** 0.5
    return error, error * student / _NORMAL_95
