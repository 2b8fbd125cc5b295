"""The dirtying curve D(t): how much memory a workload dirties in a time of length t."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from migkit.plot.axes import PAGE_BYTES
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Workload, Zipf

# Zipf ranks are joined into this many groups of nearly equal probability.
_ZIPF_GROUPS: Final = 400


def dirtying_frame(workload: Workload, t_s: np.ndarray | None = None) -> pd.DataFrame | None:
    """Return the expected dirtying curve of a workload.

    Parameters
    ----------
    workload : Workload
        A workload whose working set is known (see ``Workload.within``).
    t_s : ndarray of float64, shape (n,), optional
        Lengths of time in seconds, 0 or more; by default 240 from 1 ms to 1000 s.

    Returns
    -------
    DataFrame or None
        Columns ``t_s`` and ``dirty_bytes`` (float64): the expected number of distinct pages
        times 4096. None for workloads that have no such formula (phases, recorded, callback).
    """
    times = np.geomspace(1e-3, 1e3, 240) if t_s is None else np.asarray(t_s, dtype="float64")
    pages = _distinct_pages(workload, workload.rate_pages_per_s * times)
    if pages is None:
        return None
    return pd.DataFrame({"t_s": times, "dirty_bytes": pages * PAGE_BYTES})


def _distinct_pages(workload: Workload, writes: np.ndarray) -> np.ndarray | None:
    """Return the expected number of distinct pages after some numbers of writes."""
    if workload.pages is None:
        return None
    pages = workload.pages
    match workload:
        case Idle():
            return np.zeros_like(writes)
        case Sequential():
            return np.minimum(writes, pages)
        case Uniform():
            return _drawn(writes, pages)
        case HotCold(hot_pages=hot, hot_percent=percent):
            share = percent / 100
            return _drawn(share * writes, hot) + _drawn((1 - share) * writes, pages - hot)
        case Zipf(exponent=exponent):
            return _drawn_zipf(writes, pages, exponent)
    return None


def _drawn(writes: np.ndarray, pages: int) -> np.ndarray:
    """Return the expected distinct pages when each write falls on any page alike."""
    return -pages * np.expm1(writes * np.log1p(-1 / pages)) if pages > 1 else np.minimum(writes, 1)


def _drawn_zipf(writes: np.ndarray, pages: int, exponent: float) -> np.ndarray:
    """Return the expected distinct pages when page k has a weight of 1 / (k + 1)^exponent."""
    edges = np.unique(np.geomspace(1, pages + 1, _ZIPF_GROUPS).astype("int64"))
    sizes = np.diff(edges)
    weights = np.sqrt(edges[:-1] * (edges[1:] - 1).astype("float64")) ** -exponent
    chance = weights / float(weights @ sizes)
    return -(np.expm1(-np.multiply.outer(writes, chance)) @ sizes)
