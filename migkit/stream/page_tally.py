"""What the page records of a channel add up to: by section, by sweep of RAM, by page.

A sweep is a round of the wire: QEMU looks for dirty pages in one direction, block after block,
and begins again at the first block (migration/ram.c, find_dirty_block); a page that is not behind
the one before it opens the next round. Dirty-bitmap syncs leave no mark in a stream.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import wire
from .blocks import Blocks
from .page_records import PageBatch

__all__ = ["KINDS", "NORMAL", "SUMS", "XBZRLE", "ZERO", "Layout", "PageTally", "lay_out"]

Int64Array = npt.NDArray[np.int64]

KINDS = ("normal", "zero", "xbzrle")
NORMAL, ZERO, XBZRLE = range(len(KINDS))
SUMS = (*KINDS, "bytes", "xbzrle_bytes", "round")
"""What is known of a section: pages, bytes of their records, those of differences without the
first 8 (QEMU's counter ``xbzrle-cache.bytes``), and the round of the last page."""
_NONE = 1 << 62


class Layout(NamedTuple):
    """Page records of one channel, an entry a record.

    Attributes
    ----------
    pages : array of int64
        Numbers through all blocks.
    kinds : array of int64
        Indices of `KINDS`.
    lengths : array of int64
        Bytes with head.
    payloads : array of int64
        Bytes at the end of it: the page, the difference, or one byte 0.
    offsets : array of int64
        Where they begin in the stream.
    sections : array of int64
        Rows of records of the main stream.
    """

    pages: Int64Array
    kinds: Int64Array
    lengths: Int64Array
    payloads: Int64Array
    offsets: Int64Array
    sections: Int64Array


def lay_out(batch: PageBatch, blocks: Blocks) -> Layout:
    """Find out which pages the records of a batch are, and where they lie.

    Parameters
    ----------
    batch : PageBatch
        With a record at least.
    blocks : Blocks
        What the stream announced.

    Returns
    -------
    Layout
        In the stream's order.
    """
    size = blocks.page_size
    words = np.frombuffer(batch.words, np.uint64)
    count = len(words)
    of = _spread([number for _, number in batch.entered], [i for i, _ in batch.entered], count)
    flags = (words & np.uint64(size - 1)).astype(np.int64)
    kinds = np.where(flags & wire.RAM_SAVE_FLAG_PAGE, NORMAL, ZERO)
    kinds[(flags & wire.RAM_SAVE_FLAG_XBZRLE) != 0] = XBZRLE
    pages = (words // np.uint64(size)).astype(np.int64) + blocks.first_pages()[of]
    payloads = np.array([size, 1, 0])[kinds]
    payloads[kinds == XBZRLE] = np.frombuffer(batch.xbzrle_sizes, np.uint16)
    lengths = payloads + np.array([8, 8, 8 + 3])[kinds]
    named = (flags & wire.RAM_SAVE_FLAG_CONTINUE) == 0
    lengths[named] += blocks.id_bytes()[of[named]]
    followers = [*(begin for begin, _, _ in batch.gapless[1:]), count]
    gapless = zip(batch.gapless, followers, strict=True)
    places = [place for place, follower in gapless if place[0] < follower]
    begins = [begin for begin, _, _ in places]
    before = np.cumsum(lengths) - lengths
    shift = [at - int(before[begin]) for begin, at, _ in places]
    offsets = before + _spread(shift, begins, count)
    sections = _spread([row for _, _, row in places], begins, count)
    return Layout(pages, kinds, lengths, payloads, offsets, sections)


class PageTally:
    """Takes the page records of one channel.

    Parameters
    ----------
    blocks : Blocks
        What the stream announced.
    keep : bool
        Whether every page is kept, about 25 bytes each, or only sums.
    sweeps : bool
        Whether the order of pages tells rounds; otherwise there is one, or packets tell them.

    Attributes
    ----------
    rounds : dict
        Columns with a row a round: ``offset`` and ``section`` of the first page, sums.
    kept : list of tuple of arrays
        Page, round, kind, offset and section of every page.
    watch : callable or None
        Gets page, kind and bytes of the records that were just added.
    """

    def __init__(self, blocks: Blocks, *, keep: bool, sweeps: bool = True) -> None:
        self.blocks = blocks
        self._sweeps = sweeps
        self._keep = keep
        self.watch: Callable[[Int64Array, Int64Array, Int64Array], None] | None = None
        self._round = -1
        self._last = _NONE
        self._sections = {name: np.zeros(0, np.int64) for name in SUMS}
        self.rounds = {name: array("q") for name in ("offset", "section", "bytes", *KINDS)}
        self.kept: list[tuple[npt.NDArray[np.generic], ...]] = []

    def of_section(self, name: str, rows: int) -> Int64Array:
        """Return a sum, one value for each of so many records of the main stream."""
        column = self._sections[name]
        return np.append(column[:rows], np.zeros(max(0, rows - len(column)), np.int64))

    def take(self, batch: PageBatch) -> None:
        """Take the records of a batch; see `PageChannel`."""
        self.add(lay_out(batch, self.blocks), batch.breaks)

    def add(self, layout: Layout, breaks: list[int]) -> None:
        """Take records that were laid out already."""
        pages, kinds, lengths, _, offsets, sections = layout
        self._add(pages, kinds, lengths, offsets, sections, self._rounds_of(pages, breaks))

    def _rounds_of(self, pages: Int64Array, breaks: list[int]) -> Int64Array:
        if not self._sweeps:
            return np.zeros(len(pages), np.int64)
        opens = np.diff(pages, prepend=self._last) <= 0
        opens[[index for index in breaks if index < len(pages)]] = True
        self._last = _NONE if breaks and breaks[-1] == len(pages) else int(pages[-1])
        return self._round + np.cumsum(opens)

    def take_packet(self, at: int, pages: Int64Array, normal: int, round_: int) -> None:
        """Take the pages of a multifd packet; rounds follow each other without a gap."""
        same = np.ones(len(pages), np.int64)
        kinds = np.where(np.arange(len(pages)) < normal, NORMAL, ZERO)
        self._add(pages, kinds, 0 * same, at * same, 0 * same, round_ * same)

    def _add(
        self,
        pages: Int64Array,
        kinds: Int64Array,
        lengths: Int64Array,
        offsets: Int64Array,
        sections: Int64Array,
        rounds: Int64Array,
    ) -> None:
        self._add_rounds(kinds, lengths, offsets, sections, rounds)
        self._add_sections(kinds, lengths, sections, rounds)
        self._round = int(rounds[-1])
        if self._keep:
            kept = (rounds.astype(np.int32), kinds.astype(np.int8), offsets)
            self.kept.append((pages, *kept, sections.astype(np.int32)))
        if self.watch is not None:
            self.watch(pages, kinds, lengths)

    def _add_sections(
        self, kinds: Int64Array, lengths: Int64Array, sections: Int64Array, rounds: Int64Array
    ) -> None:
        first, end = int(sections[0]), int(sections[-1]) + 1
        within, number = sections - first, end - first
        sums = {"bytes": np.bincount(within, lengths, number)}
        sums |= {n: np.bincount(within[kinds == k], minlength=number) for k, n in enumerate(KINDS)}
        differs = kinds == XBZRLE
        sums["xbzrle_bytes"] = np.bincount(within[differs], lengths[differs] - 8, number)
        for name, column in self._sections.items():
            if end > len(column):
                grown = np.zeros(max(end, 2 * len(column)), np.int64)
                grown[: len(column)] = column
                self._sections[name] = column = grown
            if name == "round":
                column[sections] = rounds
            else:
                column[first:end] += sums[name].astype(np.int64)

    def _add_rounds(
        self,
        kinds: Int64Array,
        lengths: Int64Array,
        offsets: Int64Array,
        sections: Int64Array,
        rounds: Int64Array,
    ) -> None:
        """Add sums to the rounds that these records belong to, the first of which may be open."""
        columns = self.rounds
        first = int(rounds[0])
        known = len(columns["offset"])
        number = int(rounds[-1]) - first + 1
        within = rounds - first
        opened = np.flatnonzero(np.diff(rounds, prepend=min(first, known - 1)))
        columns["offset"].extend(offsets[opened].tolist())
        columns["section"].extend(sections[opened].tolist())
        sums = {"bytes": np.bincount(within, lengths, number).astype(np.int64)}
        sums |= {n: np.bincount(within[kinds == k], minlength=number) for k, n in enumerate(KINDS)}
        for name, values in sums.items():
            column, added = columns[name], values.tolist()
            if first < known:
                column[first] += added[0]
                added = added[1:]
            column.extend(added)


def _spread(values: list[int], begins: list[int], count: int) -> Int64Array:
    """Give each of so many records the value that holds from its begin on."""
    return np.repeat(np.array(values, np.int64), np.diff([*begins, count]))
