"""Pages of a channel on their way into memory: counted, placed, and told to who waits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit.stream.cursor import Cursor
from migkit.stream.page_records import PageBatch
from migkit.stream.page_tally import PageTally, lay_out

from .arena import Arena
from .channel_cursor import ChannelCursor

__all__ = ["Placing"]

Arrived = Callable[[npt.NDArray[np.int64], float], None]


class Placing:
    """Takes the page records of one channel.

    Parameters
    ----------
    tally : PageTally
        Counts them.
    arena : callable
        Gives the memory; called when the first page is there.
    arrived : callable
        Gets pages that were placed, and when their bytes came.

    Attributes
    ----------
    cursor : Cursor
        What the channel is read by; another one after a recovery.
    """

    def __init__(self, tally: PageTally, arena: Callable[[], Arena], arrived: Arrived) -> None:
        self._tally, self._arena, self._arrived = tally, arena, arrived
        self.cursor: Cursor = Cursor(b"")

    def take(self, batch: PageBatch) -> None:
        """Take the records of a batch; see `PageChannel`."""
        cursor = self.cursor
        layout = lay_out(batch, self._tally.blocks)
        self._arena().place(layout, cursor.data, cursor.base)
        self._tally.add(layout, batch.breaks)
        if isinstance(cursor, ChannelCursor):
            self._arrived(layout.pages, cursor.received_s)
