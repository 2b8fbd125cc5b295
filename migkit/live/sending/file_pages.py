"""Pages at their own places in a file: mapped-ram.

Nothing but the page is written, and counted: no record. A bitmap a block, written at the end, says
which pages the file holds; the others are zero. Source: migration/ram.c
(mapped_ram_setup_ramblock, save_normal_page, ram_save_file_bmap), migration/file.c
(file_write_ramblock_iov).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from migkit.errors import ChannelError
from migkit.live.page_runs import runs_of
from migkit.stream.blocks import Block
from migkit.stream.writing_mapped_ram import bitmap_of, write_block_list

from .guest_image import GuestImage
from .main_file import MainFile

__all__ = ["FilePages"]

Pages = npt.NDArray[np.int64]


class FilePages:
    """The places of all pages in a file, and which of them it holds.

    Parameters
    ----------
    image : GuestImage
        Whose pages they are.
    file : MainFile
        The stream, which the file has too.
    """

    def __init__(self, image: GuestImage, file: MainFile) -> None:
        self._image, self._file = image, file
        self._blocks: Sequence[Block] = ()
        self._present = np.zeros(image.pages, bool)

    def write_block_list(self) -> None:
        """Write the list of blocks with their places; the stream goes on behind the last page."""
        self._file.flush()
        self._blocks = write_block_list(self._file, self._image.blocks, self._image.page_size)

    def write(
        self, descriptor: int, number: int, pages: Pages, zero: npt.NDArray[np.bool_]
    ) -> int:
        """Write pages of a block, those that lie side by side at once; any thread may.

        Parameters
        ----------
        descriptor : int
            Of the file.
        number : int
            Of the block.
        pages : array of int64
            Within it.
        zero : array of bool
            Which of them are zero; of these only the bitmap knows.

        Returns
        -------
        int
            Bytes that were written.
        """
        block, size = self._blocks[number], self._image.page_size
        memory, place = self._image.view(block), block.pages_offset or 0
        self._present[block.first_page + pages[zero]] = False
        normal = np.sort(pages[~zero])
        for first, count in runs_of(normal):
            start, end = first * size, (first + count) * size
            self._write_at(descriptor, memory[start:end], place + start)
        self._present[block.first_page + normal] = True
        return len(normal) * size

    def write_bitmaps(self) -> int:
        """Write which pages the file holds; return how many bytes that took."""
        total = 0
        for block in self._blocks:
            count = block.used_length // self._image.page_size
            bits = bitmap_of(self._present[block.first_page : block.first_page + count])
            self._write_at(self._file.fileno(), memoryview(bits), block.bitmap_offset or 0)
            total += len(bits)
        return total

    def _write_at(self, descriptor: int, data: memoryview, offset: int) -> None:
        while len(data):
            try:
                done = os.pwrite(descriptor, data, offset)
            except OSError as error:
                raise ChannelError.of(
                    f"write {self._file.channel.peer}",
                    f"{error.strerror or error}, {len(data)} B at {offset}",
                    "give a file with enough room",
                ) from None
            data, offset = data[done:], offset + done
