"""A frame as plain rows, for JSON and for text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_rows"]


def frame_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as rows of plain Python values; what is not known is None.

    Parameters
    ----------
    frame : DataFrame
        Any with text as column names.

    Returns
    -------
    list of dict
        One for each row, in order.

    Examples
    --------
    >>> import pandas as pd
    >>> frame_rows(pd.DataFrame({"pages": pd.array([1, None], dtype="Int64")}))
    [{'pages': 1}, {'pages': None}]
    """
    columns = [[_plain(value) for value in frame[name]] for name in frame]
    names = [str(name) for name in frame]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    """Turn a NumPy scalar into Python's own; a missing value of any kind is unequal to itself."""
    value = value.item() if hasattr(value, "item") else value
    return (
        None if value is None or not isinstance(value == value, bool) or value != value else value
    )
