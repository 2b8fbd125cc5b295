"""Pages that lie side by side, so that one call of the system does for all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["runs_of"]


def runs_of(pages: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the runs of consecutive pages.

    Parameters
    ----------
    pages : array of int64
        Numbers of pages, in any order.

    Returns
    -------
    list of (int, int)
        The first page of each run, and how many follow one another.

    Examples
    --------
    >>> import numpy as np
    >>> runs_of(np.array([3, 4, 5, 9, 7]))
    [(3, 3), (9, 1), (7, 1)]
    """
    if not len(pages):
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(pages) != 1) + 1])
    counts = np.diff(np.append(starts, len(pages)))
    return list(zip(pages[starts].tolist(), counts.tolist(), strict=True))
