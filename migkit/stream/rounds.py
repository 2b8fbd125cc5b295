"""The sweeps through RAM as a frame, of a stream that was read or that still comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from migkit.schema import STREAM_CHANNELS, STREAM_PAGE_KINDS, STREAM_ROUNDS

from .frames import frame_of
from .page_tally import PageTally

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rounds_frame"]

_COUNTED = {"offset": "offset", "record": "section", "page_bytes": "bytes"} | {
    f"{kind}_pages": kind for kind in STREAM_PAGE_KINDS
}


def rounds_frame(tallies: Mapping[str, PageTally]) -> pd.DataFrame:
    """Return one row a sweep: `migkit.schema.STREAM_ROUNDS`.

    Parameters
    ----------
    tallies : mapping
        Channel to what counts its pages; another thread may go on counting.

    Returns
    -------
    DataFrame
        The channels behind each other.
    """
    values: dict[str, list[Any]] = {column.name: [] for column in STREAM_ROUNDS}
    for name, tally in list(tallies.items()):
        found = {column: tally.rounds[source][:] for column, source in _COUNTED.items()}
        count = min(map(len, found.values()))
        values["channel"] += [STREAM_CHANNELS.index(name)] * count
        values["round"] += range(count)
        for column, counts in found.items():
            values[column] += counts[:count]
    return frame_of(values, STREAM_ROUNDS)
