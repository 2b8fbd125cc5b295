"""Typed frames from plain integer columns: one place that knows the schema's dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import Column
from migkit.trace import NO_TIME

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = NO_TIME
"""Stands for "not known" in derived integer columns."""


def typed_frame(
    values: Mapping[str, Any], columns: tuple[Column, ...], missing: int = UNKNOWN
) -> pd.DataFrame:
    """Make a frame with the dtypes of the schema.

    Parameters
    ----------
    values : mapping
        Column name to values: integers of any kind for ``Int64``, ``boolean`` and ``category``
        (codes), text or None for ``str``. A column left out is unknown in every row.
    columns : tuple of Column
        The frame's schema.
    missing : int
        The integer that stands for an unknown value.

    Returns
    -------
    DataFrame
        The schema's columns in the schema's order.
    """
    import pandas as pd

    count = max((len(column) for column in values.values()), default=0)
    unknown = np.full(count, missing, dtype=np.int64)
    arrays = {
        column.name: _typed(values.get(column.name, unknown), column, missing)
        for column in columns
    }
    return pd.DataFrame(arrays)


def _typed(values: Any, column: Column, missing: int) -> Any:
    import pandas as pd

    if column.dtype == "str":
        known = [value if isinstance(value, str) else None for value in values]
        return pd.array(known, dtype=pd.StringDtype(na_value=np.nan))
    numbers = np.array(values, dtype=np.int64)
    unknown = numbers == missing
    if column.dtype == "category":
        codes = np.where(unknown, -1, numbers).astype(np.int64)
        dtype = pd.CategoricalDtype(list(column.categories), ordered=True)
        return pd.Categorical.from_codes(codes, dtype=dtype)
    if column.dtype == "boolean":
        return pd.arrays.BooleanArray(np.where(unknown, 0, numbers) != 0, unknown)
    return pd.arrays.IntegerArray(np.where(unknown, 0, numbers), unknown)


def as_schema(frame: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Give a frame that was read from a file the dtypes of the schema.

    Parameters
    ----------
    frame : DataFrame
        With at least the schema's columns.
    columns : tuple of Column
        The schema.

    Returns
    -------
    DataFrame
        The schema's columns, with its dtypes and categories.

    Raises
    ------
    KeyError
        A column is missing.
    ValueError
        A value does not fit its column.
    """
    import pandas as pd

    typed: dict[str, Any] = {}
    for column in columns:
        values = frame[column.name]
        if column.dtype == "category":
            text = values.astype("object").where(values.notna(), None)
            unknown = set(text.dropna()) - set(column.categories)
            if unknown:
                raise ValueError(f"{column.name} {sorted(unknown)[0]!r} is none of its categories")
            dtype = pd.CategoricalDtype(list(column.categories), ordered=True)
            typed[column.name] = text.astype(dtype)
        else:
            typed[column.name] = values.astype(column.dtype)
    return pd.DataFrame(typed)
