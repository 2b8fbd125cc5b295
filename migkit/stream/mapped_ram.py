"""Pages of a mapped-ram file: each at its own place, and a bitmap of those that are there.

Source: migration/ram.c (mapped_ram_setup_ramblock, ram_save_file_bmap). A page that is not in the
bitmap is a zero page, whatever lies at its place.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .blocks import Block
from .cursor import Buffer

__all__ = ["present_count", "present_pages"]


_AT_ONCE = 1 << 20


def _bitmap(data: Buffer, block: Block, page_size: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the bytes of a block's bitmap, a bounded number at a time."""
    start = block.bitmap_offset or 0
    end = start + -(-(block.used_length // page_size) // 64) * 8
    for at in range(start, end, _AT_ONCE):
        yield np.frombuffer(data, np.uint8, min(_AT_ONCE, end - at), at)


def present_count(data: Buffer, block: Block, page_size: int) -> int:
    """Count the pages of a block that the file holds.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        The file.
    block : Block
        With its place in the file.
    page_size : int
        Bytes of a page.

    Returns
    -------
    int
        Bits that are set.
    """
    parts = _bitmap(data, block, page_size)
    return sum(int(np.bitwise_count(part).sum(dtype=np.int64)) for part in parts)


def present_pages(data: Buffer, block: Block, page_size: int) -> npt.NDArray[np.int64]:
    """Return the numbers of a block's pages that the file holds.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        The file.
    block : Block
        With its place in the file.
    page_size : int
        Bytes of a page.

    Returns
    -------
    array of int64, shape (n,)
        Pages within the block, ascending.
    """
    parts = _bitmap(data, block, page_size)
    found = [
        np.flatnonzero(np.unpackbits(part, bitorder="little")) + 8 * _AT_ONCE * number
        for number, part in enumerate(parts)
    ]
    pages = np.concatenate([np.empty(0, np.int64), *found])
    return pages[pages < block.used_length // page_size]
