"""Mapped-ram files, written: each page at its own place, and a bitmap of those that are there.

Source: migration/ram.c (mapped_ram_setup_ramblock, ram_save_file_bmap).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from . import wire
from .blocks import Block
from .writer import block_entry

__all__ = ["Seekable", "bitmap_of", "placed", "write_block_list", "write_pages"]

_PAGES_ALIGNMENT = 1 << 20
_HEADER_BYTES = wire.MAPPED_RAM_HEADER_BYTES


class Seekable(Protocol):
    """What a file is written through: as much of a binary file as that takes."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of it at the position."""

    def seek(self, offset: int, /) -> int:
        """Go to a position, bytes from the start."""

    def tell(self) -> int:
        """Return the position."""


def bitmap_of(present: npt.NDArray[np.bool_]) -> bytes:
    """Return the bitmap of the pages that a file holds, little-endian, whole 8 bytes."""
    bits = np.packbits(present, bitorder="little").tobytes()
    return bits + bytes(-len(bits) % 8)


def placed(blocks: Iterable[Block], at: int, page_size: int) -> Iterator[Block]:
    """Give each block its place in the file.

    Parameters
    ----------
    blocks : iterable of Block
        In QEMU's order.
    at : int
        Where the list of blocks begins in the file: behind the word with the size of RAM.
    page_size : int
        Bytes of a target page.

    Yields
    ------
    Block
        With ``bitmap_offset`` and ``pages_offset``, bytes from the file's start.
    """
    for block in blocks:
        bitmap = at + len(block_entry(block)) + _HEADER_BYTES
        bits = -(-(block.used_length // page_size) // 64) * 8
        pages = -(-(bitmap + bits) // _PAGES_ALIGNMENT) * _PAGES_ALIGNMENT
        yield dataclasses.replace(block, bitmap_offset=bitmap, pages_offset=pages)
        at = pages + block.used_length


def write_block_list(file: Seekable, blocks: Iterable[Block], page_size: int) -> list[Block]:
    """Write the list of blocks at the file's position, and leave it behind the last page.

    Parameters
    ----------
    file : Seekable
        Open for writing, can seek.
    blocks : iterable of Block
        In QEMU's order.
    page_size : int
        Bytes of a target page.

    Returns
    -------
    list of Block
        The blocks with their places.
    """
    listed = list(blocks)
    total = sum(block.used_length for block in listed)
    file.write(struct.pack(">Q", total | wire.RAM_SAVE_FLAG_MEM_SIZE))
    found = list(placed(listed, file.tell(), page_size))
    for block in found:
        place = (wire.MAPPED_RAM_VERSION, page_size, block.bitmap_offset, block.pages_offset)
        file.write(block_entry(block) + struct.pack(">IQQQ", *place))
        file.seek((block.pages_offset or 0) + block.used_length)
    return found


def write_pages(
    file: Seekable, block: Block, memory: memoryview, zero: npt.NDArray[np.bool_], page_size: int
) -> None:
    """Write a block's pages and bitmap to their places; the file's position moves.

    Parameters
    ----------
    file : Seekable
        Open for writing, can seek.
    block : Block
        With its places, see `write_block_list`.
    memory : memoryview
        The block's memory.
    zero : array of bool, shape (pages,)
        Pages that are zero, and left out.
    page_size : int
        Bytes of a target page.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([True], zero, [True])).astype(np.int8)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        file.seek((block.pages_offset or 0) + first * page_size)
        file.write(memory[first * page_size : end * page_size])
    file.seek(block.bitmap_offset or 0)
    file.write(bitmap_of(~zero))
