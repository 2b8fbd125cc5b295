"""What both players of a workload read off its specification: its rate, a callback's pages."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from migkit.errors import WorkloadError

__all__ = [
    "DRAWS_PER_FILLED_PAGE",
    "NS_PER_MS",
    "NS_PER_S",
    "QUIET_BATCHES",
    "callback_pages",
    "rate_steps",
]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
DRAWS_PER_FILLED_PAGE = 1024
"""Random numbers the captures' guest takes to fill a page, one for each 32-bit word."""

QUIET_BATCHES = 1_000_000
"""A callback without a page for so many batches in a row is taken to have ended."""


def rate_steps(spec: Any) -> list[tuple[int, Fraction]]:
    """Return which rate holds from when on.

    Parameters
    ----------
    spec : Workload
        Any that has a rate.

    Returns
    -------
    list of (int, Fraction)
        Guest time in nanoseconds and pages in a second; a float is taken as its nearest fraction
        with a denominator up to a million.

    Examples
    --------
    >>> from migkit.workloads import Uniform
    >>> rate_steps(Uniform(rate_pages_per_s=0.1))
    [(0, Fraction(1, 10))]
    """
    if spec.kind == "recorded-rate":
        return [(int(t), Fraction(int(r))) for t, r in zip(spec.t_ns, spec.rates, strict=True)]
    return [(0, Fraction(spec.rate_pages_per_s).limit_denominator(1_000_000))]


def callback_pages(spec: Any, from_ns: int, to_ns: int) -> npt.NDArray[np.int64]:
    """Ask the function of a callback workload for the pages written in one batch.

    Parameters
    ----------
    spec : Callback
        Fitted to its guest.
    from_ns, to_ns : int
        The batch: guest time since migration began, nanoseconds.

    Returns
    -------
    array of int64, shape (n,)
        Pages within the working set, in the order of the writes.

    Raises
    ------
    WorkloadError
        If the function raises, or returns anything but pages of the working set.
    """
    asked = f"callback workload: function({from_ns}, {to_ns})"
    try:
        pages = np.asarray(spec.function(from_ns, to_ns))
    except Exception as error:
        found = f"raised {type(error).__name__}: {error}"
        raise WorkloadError.of(asked, found, "mend the function") from error
    if pages.shape == (0,):
        return np.empty(0, np.int64)
    if pages.ndim != 1 or pages.dtype.kind not in "iu":
        found = f"returned an array of {pages.dtype} with {pages.ndim} dimensions"
        raise WorkloadError.of(asked, found, "return a flat list of page numbers")
    if pages.min() < 0 or pages.max() >= spec.pages:
        found = f"returned page {pages.min() if pages.min() < 0 else pages.max()}"
        raise WorkloadError.of(asked, found, f"return pages 0..{spec.pages - 1}")
    return np.ascontiguousarray(pages, dtype=np.int64)
