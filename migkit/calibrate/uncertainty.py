"""How sure a median is: quartiles of the spans, and the bootstrap over captures and spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from migkit.calibrate.marks import Floats

__all__ = ["Spread", "pooled_median", "spread_of"]

_RESAMPLES = 400
_INTERVAL = (5, 95)


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
    Introduction to the Bootstrap, 1993, chapter 8).

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
    low, high = np.percentile(medians, _INTERVAL)
    first, third = np.percentile(every, (25, 75))
    return Spread(
        median=float(np.median(every)),
        quartiles=(float(first), float(third)),
        standard_error=float(medians.std(ddof=1)) if len(every) > 1 else None,
        interval=(float(low), float(high)),
    )
