"""Frames of what a tap has counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import Column
from migkit.stream.frames import UNKNOWN, frame_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["latencies", "tap_frame", "time_columns"]


def tap_frame(rows: Sequence[Sequence[Any]], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Make a frame of rows; what is None is unknown."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    told = {
        column.name: [
            UNKNOWN if value is None and column.dtype != "str" else value for value in of
        ]
        for column, of in zip(columns, values, strict=True)
    }
    return frame_of(told, columns)


def time_columns(names: Sequence[str], values: Any) -> dict[str, Any]:
    """Make columns of times by name, nanoseconds."""
    columns = tuple(Column(name, "Int64", "ns", name, "tap") for name in names)
    frame = frame_of(dict(zip(names, values, strict=True)), columns)
    return {name: frame[name] for name in names}


def latencies(requests: Sequence[Sequence[Any]]) -> dict[str, float] | None:
    """Return quantiles of the requests' latencies in microseconds; None if none is known."""
    known = [request[-1] / 1e3 for request in requests if request[-1] is not None]
    if not known:
        return None
    shares = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(known, at)), 1) for name, at in shares.items()}
