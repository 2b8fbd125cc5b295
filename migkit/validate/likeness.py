"""Whether a prediction can be told from a further recording of the same scenario."""

from __future__ import annotations

from collections.abc import Sequence

TIME_GRAIN_MS = 1
"""Times are whole milliseconds of two clock readings: a difference of one says nothing."""


def indistinguishable(twin: float | None, recordings: Sequence[float], number: str) -> bool | None:
    """Judge one value by how far the recordings lie from each other.

    Parameters
    ----------
    twin : float or None
        The predicted value.
    recordings : sequence of float
        Every recorded value of the same scenario.
    number : str
        Name of the value; one that ends in ``_ms`` has a grain of a millisecond, bytes and
        counts have none.

    Returns
    -------
    bool or None
        Whether the twin is no farther from the nearest recording than some recording is from
        its own nearest neighbour. False where only the recordings have a value, None with fewer
        than two of them.

    Examples
    --------
    >>> indistinguishable(7, (1, 2, 5), "dirty_sync_count")
    True
    >>> indistinguishable(9, (1, 2, 5), "dirty_sync_count")
    False
    """
    if len(recordings) < 2:
        return None
    if twin is None:
        return False
    grain = TIME_GRAIN_MS if number.endswith("_ms") else 0
    gaps = [_gap(index, recordings) for index in range(len(recordings))]
    return min(abs(twin - value) for value in recordings) <= max(*gaps, grain)


def _gap(index: int, values: Sequence[float]) -> float:
    """Distance of one value to its nearest neighbour."""
    others = [value for place, value in enumerate(values) if place != index]
    return min(abs(values[index] - value) for value in others)
