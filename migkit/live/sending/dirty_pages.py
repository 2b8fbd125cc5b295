"""Which pages the destination still lacks, and where the search for them stands.

The search goes in one direction through all blocks and begins again behind the last one; a sync
does not move it, a request does. Source: migration/ram.c (find_dirty_block,
ram_find_and_save_block, migration_bitmap_clear_dirty).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from migkit.stream.blocks import Block

__all__ = ["DirtyPages"]

Pages = npt.NDArray[np.int64]
_LOOK_AHEAD = 1 << 16
_NONE: Pages = np.empty(0, np.int64)


class DirtyPages:
    """A bitmap of all pages, all set at first.

    Parameters
    ----------
    blocks : sequence of Block
        In the order of the search.
    pages : int
        Pages of all blocks.
    at_end : callable
        Called when the search passes the end of the last block.
    """

    def __init__(
        self, blocks: Sequence[Block], pages: int, at_end: Callable[[], object] = lambda: None
    ) -> None:
        self.bits = np.ones(pages, bool)
        self.count = pages
        self.at = 0
        self.at_end = at_end
        self._starts = np.array([block.first_page for block in blocks])
        self._ends = np.append(self._starts[1:], pages)
        self._ahead = _NONE
        self._lock = threading.Lock()

    def block_of(self, page: int) -> int:
        """Return the number of the block that a page lies in."""
        return int(np.searchsorted(self._starts, page, side="right")) - 1

    def mark(self, pages: Pages) -> int:
        """Set pages that were written; return how many were not set before."""
        with self._lock:
            new = np.unique(pages[~self.bits[pages]])
            self.bits[new] = True
            self.count += len(new)
            self._ahead = _NONE
        return len(new)

    def replace(self, dirty: npt.NDArray[np.bool_]) -> None:
        """Set exactly these pages, and search from the first on: so it is after a recovery."""
        with self._lock:
            self.bits = dirty.copy()
            self.count = int(dirty.sum())
            self.at, self._ahead = 0, _NONE

    def clean(self) -> Pages:
        """Return the pages that the destination has."""
        with self._lock:
            return np.flatnonzero(~self.bits)

    def rewind(self) -> None:
        """Search from the first page on: so it is from postcopy on."""
        with self._lock:
            self.at, self._ahead = 0, _NONE

    def take(self, most: int, fits: Callable[[Pages], int]) -> Pages:
        """Take the next pages, all of one block.

        Parameters
        ----------
        most : int
            Pages to look at.
        fits : callable
            Gets them, ascending; returns how many of them are taken, at least 1.

        Returns
        -------
        array of int64
            Their numbers through all blocks; none when no page is dirty.
        """
        while True:
            with self._lock:
                if self.count and not len(self._ahead):
                    self._look_ahead()
                found = self._ahead[:most]
                if len(found):
                    end = int(self._ends[self.block_of(int(found[0]))])
                    found = found[: int(np.searchsorted(found, end))]
                    found = found[: fits(found)]
                    self._clear(found)
                    self._ahead = self._ahead[len(found) :]
                    self.at = int(found[-1]) + 1
                    return found
                done = not self.count
                passed = done or self.at == len(self.bits)
                self.at = 0 if passed else self.at
            if passed:
                self.at_end()
            if done:
                return _NONE

    def take_range(self, first: int, count: int, *, move: bool) -> Pages:
        """Take those of a range that are still dirty; the search goes on behind it, or not."""
        with self._lock:
            found = first + np.flatnonzero(self.bits[first : first + count])
            self._clear(found)
            self._ahead = _NONE
            if move and len(found):
                self.at = (first + count) % len(self.bits)
        return found

    def runs(self, block: int) -> list[tuple[int, int]]:
        """Return the runs of dirty pages of a block: first page within it, and how many."""
        inside = self.bits[self._starts[block] : self._ends[block]]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])).astype(np.int8)))
        starts, ends = edges[::2], edges[1::2]
        return list(zip(starts.tolist(), (ends - starts).tolist(), strict=True))

    def _look_ahead(self) -> None:
        total = len(self.bits)
        while self.at < total and not len(self._ahead):
            end = min(self.at + _LOOK_AHEAD, total)
            self._ahead = self.at + np.flatnonzero(self.bits[self.at : end])
            if not len(self._ahead):
                self.at = end

    def _clear(self, pages: Pages) -> None:
        self.bits[pages] = False
        self.count -= len(pages)
