"""The RAM blocks that a stream announces in the first section of RAM.

Source: migration/ram.c (ram_save_setup, mapped_ram_setup_ramblock).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import wire
from .configuration import Configuration
from .cursor import Cursor

__all__ = ["Block", "Blocks", "read_blocks"]


@dataclass(frozen=True)
class Block:
    """One block of RAM.

    Attributes
    ----------
    name : str
        Its ``idstr``.
    used_length : int
        Bytes of it.
    first_page : int
        Number of its first page when pages are counted through all blocks in the stream's order.
    page_bytes : int or None
        Size of its host page, where the stream tells it.
    bitmap_offset, pages_offset : int or None
        Where a mapped-ram file has its bitmap and its pages, bytes from the file's start.
    """

    name: str
    used_length: int
    first_page: int
    page_bytes: int | None = None
    bitmap_offset: int | None = None
    pages_offset: int | None = None


class Blocks:
    """All blocks, found by name and by number.

    Parameters
    ----------
    page_size : int
        Bytes of a target page.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.listed: list[Block] = []
        self.number: dict[bytes, int] = {}
        self.pages = 0

    def clear(self) -> None:
        """Forget all blocks: their list is read once more when more of it has come."""
        self.listed.clear()
        self.number.clear()
        self.pages = 0

    def add(self, cursor: Cursor, name: str, used_length: int, **more: int | None) -> None:
        """Add the next block of the list."""
        if name.encode() in self.number:
            raise cursor.fail(f"block {name} a second time")
        if len(self.listed) == wire.MOST_BLOCKS:
            raise cursor.fail(f"more than {wire.MOST_BLOCKS} blocks")
        if used_length % self.page_size:
            raise cursor.fail(
                f"block {name} of {used_length} B, not whole pages of {self.page_size} B"
            )
        self.number[name.encode()] = len(self.listed)
        self.listed.append(Block(name, used_length, self.pages, **more))
        self.pages += used_length // self.page_size

    def first_pages(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the number of the first page of each block."""
        return np.array([block.first_page for block in self.listed], np.int64)

    def id_bytes(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the bytes that each block's id takes in a page record."""
        return np.array([1 + len(block.name) for block in self.listed], np.int64)


def read_blocks(
    cursor: Cursor, total: int, blocks: Blocks, configuration: Configuration, host_pages: int
) -> None:
    """Read the list of blocks that follows the word with ``RAM_SAVE_FLAG_MEM_SIZE``.

    Parameters
    ----------
    cursor : Cursor
        After that word; afterwards after the list, for mapped-ram after the pages too.
    total : int
        Bytes of all blocks.
    blocks : Blocks
        Where they go.
    configuration : Configuration
        Which members the list has.
    host_pages : int
        All host page sizes or-ed, from POSTCOPY_ADVISE; 0 where it was not sent.

    Raises
    ------
    StreamError
        If the blocks do not add up to the total, or lie outside the file.
    """
    if blocks.listed:
        raise cursor.fail("a second list of RAM blocks")
    while total:
        name = cursor.text("name of a RAM block")
        used = cursor.u64("used_length")
        if used > total:
            raise cursor.fail(f"block {name} of {used} B, {total} B of RAM are left")
        total -= used
        more: dict[str, int | None] = {}
        size = cursor.peek_u64()
        if host_pages != wire.PAGE_BYTES and _is_page_size(size, host_pages):
            more["page_bytes"] = cursor.u64("page size of a block")
        if "x-ignore-shared" in configuration.capabilities:
            cursor.skip(8, "address of a block")
        if "mapped-ram" in configuration.capabilities:
            more |= _mapped(cursor, used, blocks.page_size)
        blocks.add(cursor, name, used, **more)


def _is_page_size(value: int, host_pages: int) -> bool:
    """Tell a page size from the next block's name and from the flags that end the list."""
    return value >= wire.PAGE_BYTES and not value & (value - 1) and bool(value & host_pages)


def _mapped(cursor: Cursor, used: int, page_size: int) -> dict[str, int | None]:
    """Read a block's place in a mapped-ram file, and go on behind its pages."""
    start = cursor.at
    version = cursor.u32("version of mapped-ram")
    if version != wire.MAPPED_RAM_VERSION:
        raise cursor.fail(f"version {version} of mapped-ram, known is 1", at=start)
    size = cursor.u64("page size of mapped-ram")
    if size != page_size:
        raise cursor.fail(f"pages of {size} B, those of the machine have {page_size} B", at=start)
    bitmap, pages = cursor.u64("bitmap_offset"), cursor.u64("pages_offset")
    length = -(-(used // page_size) // 64) * 8
    if not (cursor.at <= bitmap and bitmap + length <= pages and pages + used <= cursor.end):
        raise cursor.fail(
            f"bitmap of {length} B at {bitmap} and pages of {used} B at {pages} do not fit into "
            f"{cursor.at}..{cursor.end}",
            at=start,
        )
    cursor.at = pages + used
    return {"bitmap_offset": bitmap, "pages_offset": pages}
