"""What a column of a frame is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["Int64", "boolean", "category", "str", "float64"]


@dataclass(frozen=True)
class Column:
    """One column of a frame.

    Parameters
    ----------
    name : str
        The column's name; a unit is spelled out in it where there is one.
    dtype : str
        The pandas dtype, the same for simulated and recorded migrations.
    unit : str
        Unit of the values; empty for names, codes and flags.
    meaning : str
        What the value says.
    qemu_source : str
        QEMU's trace event, counter or function that has the value.
    categories : tuple of str
        The ordered categories of a ``category`` column, otherwise empty.
    """

    name: str
    dtype: Dtype
    unit: str
    meaning: str
    qemu_source: str
    categories: tuple[str, ...] = ()


def time_column(name: str, meaning: str, source: str) -> Column:
    """Return a column of times, ns after migrate was taken."""
    return Column(name, "Int64", "ns", meaning + ", after the moment migrate was taken", source)
