"""Page records, written in bulk: their headers are laid out at once, pages are not copied.

Source: migration/ram.c (save_page_header, save_zero_page, save_normal_page, save_xbzrle_page).
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from . import wire
from .writer import counted

__all__ = ["PageWriter"]

_PAGE, _ZERO, _XBZRLE, _CONTINUE = (
    wire.RAM_SAVE_FLAG_PAGE,
    wire.RAM_SAVE_FLAG_ZERO,
    wire.RAM_SAVE_FLAG_XBZRLE,
    wire.RAM_SAVE_FLAG_CONTINUE,
)
_WORD_BYTES = 8


class PageWriter:
    """Writes the page records of one channel and remembers its current block.

    Parameters
    ----------
    page_size : int
        Bytes of a target page.

    Examples
    --------
    >>> writer = PageWriter(4096)
    >>> pages, zero = np.array([0, 1]), np.array([True, True])
    >>> [part.hex() for part in writer.records("ram", pages, zero, memoryview(b""))]
    ['00000000000000020372616d00000000000000102200']
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.block: str | None = None

    def forget_block(self) -> None:
        """Let the next record name its block: QEMU does so from postcopy or recovery on."""
        self.block = None

    def records(
        self,
        block: str,
        pages: npt.NDArray[np.int64],
        zero: npt.NDArray[np.bool_],
        memory: memoryview,
    ) -> list[memoryview]:
        """Write records of pages of one block.

        Parameters
        ----------
        block : str
            Name of the RAM block.
        pages : array of int64, shape (n,)
            Pages within the block, in the order in which they go out.
        zero : array of bool, shape (n,)
            Which of them hold nothing but zeros.
        memory : memoryview
            The block's memory; pages are referred to, not copied.

        Returns
        -------
        list of memoryview
            What to write, in order; ends after the last record.
        """
        if not len(pages):
            return []
        name = b"" if block == self.block else counted(block)
        heads, ends = self._heads(pages, zero, name)
        self.block = block
        size, at, parts = self.page_size, 0, []
        normal = np.flatnonzero(~zero)
        for end, page in zip(ends[normal].tolist(), pages[normal].tolist(), strict=True):
            parts.append(heads[at:end])
            parts.append(memory[page * size : page * size + size])
            at = end
        if at < len(heads):
            parts.append(heads[at:])
        return parts

    def _heads(
        self, pages: npt.NDArray[np.int64], zero: npt.NDArray[np.bool_], name: bytes
    ) -> tuple[memoryview, npt.NDArray[np.int64]]:
        """Lay out the headers, and the byte of each zero page; tell where each of them ends."""
        words = pages * self.page_size + np.where(zero, _ZERO, _PAGE) + _CONTINUE
        lengths = _WORD_BYTES + zero.astype(np.int64)
        if name:
            words[0] -= _CONTINUE
            lengths[0] += len(name)
        ends = np.cumsum(lengths)
        starts = ends - lengths
        heads = np.zeros(int(ends[-1]), np.uint8)
        digits = words.astype(">i8").view(np.uint8).reshape(-1, _WORD_BYTES)
        heads[starts[:, None] + np.arange(_WORD_BYTES)] = digits
        heads[_WORD_BYTES : _WORD_BYTES + len(name)] = np.frombuffer(name, np.uint8)
        return memoryview(heads.data), ends

    def page(self, block: str, page: int, data: bytes) -> bytes:
        """Write the record of one page, its contents copied.

        Parameters
        ----------
        block : str
            Name of the RAM block.
        page : int
            Within the block.
        data : bytes
            What it holds; nothing for a zero page.

        Returns
        -------
        bytes
            The record.
        """
        return self._head(block, page, _PAGE if data else _ZERO) + (data or b"\0")

    def difference(self, block: str, page: int, encoded: bytes) -> bytes:
        """Write an xbzrle record.

        Parameters
        ----------
        block : str
            Name of the RAM block.
        page : int
            Within the block.
        encoded : bytes
            What changed, see `migkit._engine.xbzrle.encode`.

        Returns
        -------
        bytes
            The record.
        """
        head = self._head(block, page, _XBZRLE)
        return head + struct.pack(">BH", 1, len(encoded)) + encoded

    def _head(self, block: str, page: int, kind: int) -> bytes:
        name = b"" if block == self.block else counted(block)
        self.block = block
        word = page * self.page_size | kind | (0 if name else _CONTINUE)
        return struct.pack(">Q", word) + name
