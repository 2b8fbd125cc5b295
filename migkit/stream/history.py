"""In which order, how often and in which round each page was sent: a guest's writes, seen late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from migkit.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from migkit.workloads.recorded import RecordedPages

    from .stream import Stream

__all__ = ["page_history", "recorded_writes"]


def page_history(stream: Stream) -> pd.DataFrame:
    """Tell when each page was sent, every resend included.

    A page is sent again because the guest wrote it after the time before: the resends of a page
    are what a stream tells of its writes.

    Parameters
    ----------
    stream : Stream
        Read with its pages.

    Returns
    -------
    DataFrame
        One row a page record: ``page`` (number through all RAM blocks), ``round``, ``order``,
        ``kind``, ``offset``, ``channel``, and ``sent_before``, how often the page came earlier.

    Raises
    ------
    InputError
        If the stream was read without pages, or has none of its own: a mapped-ram file.
    """
    pages = stream.pages
    if pages.empty:
        raise InputError.of(
            f"page history of {stream.name}",
            "no page records",
            "read it with pages=True; a mapped-ram file has no order of pages",
        )
    columns = ["page", "round", "order", "kind", "offset", "channel"]
    history = pages[columns]
    return history.assign(sent_before=history.groupby("page").cumcount().astype("Int64"))


def recorded_writes(
    stream: Stream, bandwidth_bytes_per_s: float, block: str | None = None
) -> RecordedPages:
    """Make a workload of a stream's resends; it feeds `migkit.simulate`.

    A stream has no clock: a place in it becomes a time by the bandwidth it was sent with. A
    page that is sent again in a round was written before that round reached RAM's first page, so
    its write is put at the round's begin.

    Parameters
    ----------
    stream : Stream
        Read with its pages, of a guest that ran.
    bandwidth_bytes_per_s : float
        Mean rate at which it was sent.
    block : str, optional
        Which RAM block's pages; the first, which is the largest, if left out.

    Returns
    -------
    RecordedPages
        Pages within the block, times from 0 ns up.

    Raises
    ------
    InputError
        If no page of the block was sent twice, or the bandwidth is not above 0.
    """
    from migkit.workloads.recorded import RecordedPages

    if not bandwidth_bytes_per_s > 0:
        raise InputError.of(
            f"bandwidth {bandwidth_bytes_per_s} B/s", "allowed above 0", "give the mean rate"
        )
    names = {known.name: known for known in stream.ram_blocks}
    name = block if block is not None else stream.ram_blocks[0].name if names else ""
    if name not in names:
        raise InputError.of(f"block {name}", "not in the stream", f"use one of {', '.join(names)}")
    history, found = page_history(stream), names[name]
    page = history["page"].to_numpy(np.int64) - found.first_page
    inside = (page >= 0) & (page < found.used_length // stream.page_size)
    again = inside & (history["sent_before"].to_numpy(np.int64) > 0)
    if not again.any():
        raise InputError.of(
            f"writes of {name}", "no page was sent twice", "record a guest that runs for longer"
        )
    begins = _round_begins(history, stream.page_size)
    times = (begins[again] / bandwidth_bytes_per_s * 1e9).astype(np.int64)
    order = np.argsort(times, kind="stable")
    return RecordedPages(t_ns=times[order], page=page[again][order])


def _round_begins(history: pd.DataFrame, page_size: int) -> npt.NDArray[np.float64]:
    """Return for each page how many bytes were sent before its round."""
    import pandas as pd

    normal = (history["kind"] == "normal").to_numpy(bool)
    packed = history["channel"].astype(str) != "main"
    sent = np.cumsum(np.where(normal, page_size, 0)) - np.where(normal, page_size, 0)
    place = np.where(packed, sent, history["offset"].to_numpy(np.int64))
    keys = [history["channel"], history["round"]]
    begins = pd.Series(place, history.index).groupby(keys, observed=True).transform("min")
    return begins.to_numpy(np.float64)
