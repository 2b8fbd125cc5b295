"""Frames of a stream from plain columns, with the dtypes of the schema."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNKNOWN", "Table", "frame_of"]

UNKNOWN = -(1 << 62)
"""Stands for "not told" in columns of integers."""


class Table:
    """Rows of a frame, a few bytes a value.

    Parameters
    ----------
    columns : tuple of Column
        Of the frame.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.values: dict[str, Any] = {
            column.name: [] if column.dtype == "str" else array("q") for column in columns
        }
        self._appends = [self.values[column.name].append for column in columns]

    def add(self, row: Sequence[Any]) -> None:
        """Add a row in the columns' order; None is not told."""
        for append, column, value in zip(self._appends, self.columns, row, strict=True):
            if column.dtype == "str":
                append(value)
            elif column.dtype == "category" and value is not None:
                append(column.categories.index(value))
            else:
                append(UNKNOWN if value is None else min(value, (1 << 63) - 1))

    def frame(self) -> pd.DataFrame:
        """Make the frame."""
        return frame_of(self.values, self.columns)


def frame_of(values: Mapping[str, Any], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Make a frame with the dtypes of the schema.

    Parameters
    ----------
    values : mapping
        Column name to integers (codes for categories), or text.
    columns : tuple of Column
        The frame's schema.

    Returns
    -------
    DataFrame
        The schema's columns in their order.
    """
    import pandas as pd

    return pd.DataFrame({c.name: _typed(values[c.name], c) for c in columns})


def _typed(values: Any, column: Column) -> Any:
    import pandas as pd

    if column.dtype == "str":
        known = [value or None for value in values]
        return pd.array(known, dtype=pd.StringDtype(na_value=np.nan))
    numbers = np.array(values, np.int64)
    unknown = numbers == UNKNOWN
    if column.dtype == "category":
        dtype = pd.CategoricalDtype(list(column.categories), ordered=True)
        return pd.Categorical.from_codes(np.where(unknown, -1, numbers), dtype=dtype)
    if column.dtype == "boolean":
        return pd.arrays.BooleanArray(np.where(unknown, 0, numbers) != 0, unknown)
    return pd.arrays.IntegerArray(np.where(unknown, 0, numbers), unknown)
