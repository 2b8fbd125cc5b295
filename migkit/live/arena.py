"""The memory that a stream's pages go to: all RAM blocks, one behind the other.

It is as large as the RAM that the stream announced, and the system gives a page of it only when
something is written there: so a peer decides no more than that size, and a bound holds for it.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit._engine.xbzrle import decode
from migkit.errors import InputError, StreamError
from migkit.stream.blocks import Blocks
from migkit.stream.cursor import Buffer
from migkit.stream.page_tally import NORMAL, XBZRLE, ZERO, Layout

__all__ = ["Arena", "reserved"]

Int64Array = npt.NDArray[np.int64]
_FEW = 3


class Arena:
    """Pages of a guest, by number through all blocks.

    Parameters
    ----------
    blocks : Blocks
        What the stream announced.

    Attributes
    ----------
    received : array of bool, shape (pages,)
        Which pages are there: placed, and not discarded since.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        size = blocks.page_size
        self._memory = self._mapped(max(blocks.pages, 1) * size)
        self._bytes = np.frombuffer(self._memory, np.uint8)
        self._rows = self._bytes.reshape(-1, size)
        self._items = self._bytes.view(f"V{size}")
        self.received = np.zeros(blocks.pages, np.bool_)
        self._written = np.zeros(blocks.pages, np.bool_)

    def _mapped(self, size: int) -> mmap.mmap:
        found = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            found.madvise(mmap.MADV_HUGEPAGE)
        return found

    def place(self, layout: Layout, data: Buffer, base: int) -> None:
        """Place the pages of records; of a page that comes twice the last one stays.

        Parameters
        ----------
        layout : Layout
            The records, in order.
        data : buffer
            Where their bytes are.
        base : int
            Offset of its first byte in the stream.
        """
        pages, kinds = layout.pages, layout.kinds
        ends = layout.offsets + layout.lengths - base
        differs = kinds == XBZRLE
        if differs.any() or (np.diff(pages) <= 0).any():
            edges = np.flatnonzero(np.diff(kinds)) + 1
            parts = [slice(a, b) for a, b in zip([0, *edges], [*edges, len(pages)], strict=True)]
        else:
            parts = [slice(None)]
        for part in parts:
            here, kind = pages[part], kinds[part]
            self.clear(here[kind == ZERO])
            normal = kind == NORMAL
            self.fill(here[normal], data, ends[part][normal] - self.blocks.page_size)
            if kind[0] == XBZRLE:
                self._apply(here, data, ends[part], layout.payloads[part], layout.offsets[part])
        self.received[pages] = True

    def fill(self, pages: Int64Array, data: Buffer | memoryview, at: Int64Array) -> None:
        """Copy whole pages that lie in a buffer, each at its place."""
        if not len(pages):
            return
        size = self.blocks.page_size
        self._written[pages] = True
        steps = np.diff(at)
        edges = (np.flatnonzero(steps[1:] != steps[:-1]) + 2).tolist()
        first = 0
        for end in [*edges, len(pages)]:
            stride = int(at[first + 1] - at[first]) if end - first > 1 else size
            if stride < 0:  # never so within a buffer
                raise ValueError("records run backwards")
            source = np.ndarray((end - first,), f"V{size}", data, int(at[first]), (stride,))
            self._copy(pages[first:end], source)
            first = end

    def _copy(self, pages: Int64Array, source: npt.NDArray[np.void]) -> None:
        start, count = int(pages[0]), len(pages)
        if int(pages[-1]) - start == count - 1 and (count < _FEW or (np.diff(pages) == 1).all()):
            self._items[start : start + count] = source
        else:
            self._items[pages] = source

    def clear(self, pages: Int64Array) -> None:
        """Make pages zero; those that nothing was written to are."""
        written = pages[self._written[pages]]
        if len(written):
            self._rows[written] = 0
            self._written[written] = False

    def _apply(
        self,
        pages: Int64Array,
        data: Buffer,
        ends: Int64Array,
        payloads: Int64Array,
        offsets: Int64Array,
    ) -> None:
        columns = (pages.tolist(), ends.tolist(), payloads.tolist(), offsets.tolist())
        for page, end, payload, offset in zip(*columns, strict=True):
            try:
                new = decode(bytes(data[end - payload : end]), self._rows[page].tobytes())
            except InputError as error:
                raise StreamError.at(
                    offset, "xbzrle page", f"{error}", "give the stream as QEMU wrote it"
                ) from None
            self._rows[page] = np.frombuffer(new, np.uint8)
        self._written[pages] = True

    def discard(self, block: str, start: int, length: int) -> bool:
        """Throw away a range of a block; False where it is none."""
        number = self.blocks.number.get(block.encode())
        size = self.blocks.page_size
        if number is None or start % size or length % size:
            return False
        found = self.blocks.listed[number]
        if start + length > found.used_length:
            return False
        first = found.first_page + start // size
        gone = np.arange(first, first + length // size)
        self.received[gone] = False
        self.clear(gone)
        return True

    def of_block(self, number: int) -> memoryview:
        """Return a block's bytes."""
        block, size = self.blocks.listed[number], self.blocks.page_size
        start = block.first_page * size
        return memoryview(self._memory)[start : start + block.used_length]

    def received_of(self, block: str) -> npt.NDArray[np.bool_] | None:
        """Return which pages of a block are there; None where there is no such block."""
        number = self.blocks.number.get(block.encode())
        if number is None:
            return None
        found = self.blocks.listed[number]
        last = found.first_page + found.used_length // self.blocks.page_size
        return self.received[found.first_page : last]

    @property
    def missing(self) -> int:
        """Pages that are not there."""
        return len(self.received) - int(np.count_nonzero(self.received))


def reserved(make: Callable[[Blocks], Arena], blocks: Blocks) -> Arena:
    """Make the memory of a guest.

    Parameters
    ----------
    make : callable
        Makes it.
    blocks : Blocks
        What the stream announced.

    Returns
    -------
    Arena
        Empty.

    Raises
    ------
    StreamError
        If this machine has no room for it.
    """
    size = blocks.pages * blocks.page_size
    try:
        return make(blocks)
    except (OSError, MemoryError, OverflowError, ValueError) as error:
        raise StreamError.at(
            0,
            "section start of ram",
            f"RAM of {size} B, and this machine cannot reserve it: {error}",
            "receive it where there is more memory",
        ) from None
