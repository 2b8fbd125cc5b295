"""A saved guest: its RAM and the state of its devices, ready to be sent."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from migkit._engine.xbzrle import decode
from migkit.errors import StreamError
from migkit.live.page_runs import runs_of
from migkit.stream import Stream, read_stream
from migkit.stream.blocks import Block
from migkit.stream.configuration import Configuration
from migkit.stream.mapped_ram import present_pages
from migkit.stream.source import open_buffer
from migkit.stream.wire import RAM_SAVE_FLAG_CONTINUE

if TYPE_CHECKING:
    import pandas as pd

    from migkit.stream.cursor import Buffer

__all__ = ["GuestImage", "read_image"]

_FIX = "give the stream of `migrate file:` of a whole precopy migration"
_VMDESC_HEAD = 5


@dataclass(frozen=True, eq=False)
class GuestImage:
    """A guest as it stood when it was saved.

    Attributes
    ----------
    name : str
        Where it comes from.
    configuration : Configuration
        Machine type and what else the head of a stream says.
    page_size : int
        Bytes of a target page.
    blocks : tuple of Block
        RAM blocks in QEMU's order.
    memory : array of uint8, shape (bytes of all blocks,)
        What they hold.
    zero : array of bool, shape (pages,)
        Which pages hold nothing but zeros.
    ram_section : int
        Section id of RAM.
    sections : sequence of bytes
        The sections of all devices, whole, in the order in which they were saved; those of a
        guest that runs are written when they are looked at.
    description : bytes
        The description of devices; empty where there was none.
    switchover_start : bool
        Whether the machine type announces the switchover by a command (10.0 and later).
    room : mmap or None
        What `memory` lies in, where that can be given back.
    """

    name: str
    configuration: Configuration
    page_size: int
    blocks: tuple[Block, ...]
    memory: npt.NDArray[np.uint8]
    zero: npt.NDArray[np.bool_]
    ram_section: int
    sections: Sequence[bytes]
    description: bytes
    switchover_start: bool
    room: mmap.mmap | None = None

    @property
    def pages(self) -> int:
        """Pages of all blocks."""
        return len(self.zero)

    def view(self, block: Block) -> memoryview:
        """Return the memory of a block."""
        start = block.first_page * self.page_size
        return self.memory[start : start + block.used_length].data

    def release(self, pages: npt.NDArray[np.int64]) -> None:
        """Give the memory of pages back to the system: they read as zeros then.

        Parameters
        ----------
        pages : array of int64
            Numbers through all blocks, ascending.
        """
        if self.room is None:
            return
        for first, count in runs_of(pages):
            start, length = first * self.page_size, count * self.page_size
            if start % mmap.PAGESIZE == 0 and length % mmap.PAGESIZE == 0:
                self.room.madvise(mmap.MADV_DONTNEED, start, length)


def room_for(size: int) -> tuple[mmap.mmap, npt.NDArray[np.uint8]]:
    """Make zeroed memory that can be given back page by page, and an array over it."""
    room = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return room, np.frombuffer(room, np.uint8, size)


def read_image(source: str | os.PathLike[str]) -> GuestImage:
    """Read a saved guest.

    Parameters
    ----------
    source : path
        The stream of ``migrate file:`` (mapped-ram too), a file; or a folder of ``migkit
        receive --save``.

    Returns
    -------
    GuestImage
        Each page as it was sent last.

    Raises
    ------
    StreamError
        If it is no whole stream of precopy.
    StorageError
        If it is a folder that is none, or not whole.
    """
    if Path(source).is_dir():
        from .saved_image import image_of_folder

        return image_of_folder(Path(source))
    return image_of(read_stream(source), open_buffer(source)[1], Path(source).name)


def image_of(stream: Stream, data: Buffer, name: str) -> GuestImage:
    """Take the guest out of a stream that was read from these bytes."""
    records = stream.records
    devices = records[records["kind"] == "full"]
    ram = records[(records["name"] == "ram") & (records["kind"] == "start")]
    if not len(ram) or not len(devices):
        what = "no RAM" if not len(ram) else "no state of devices"
        raise StreamError.of(f"guest {name}", f"{what} in its stream", _FIX)
    size = stream.page_size
    room, memory = room_for(sum(block.used_length for block in stream.ram_blocks))
    if stream.ram_blocks[0].bitmap_offset is not None:
        _fill_mapped(memory, stream, data)
    else:
        _fill(memory, stream, data)
    ends = devices["offset"] + devices["bytes"]
    told = records[records["kind"] == "vmdescription"]
    at = int(told["offset"].iloc[0]) if len(told) else len(data)
    length = int(told["bytes"].iloc[0]) if len(told) else 0
    return GuestImage(
        name=name,
        configuration=stream.configuration,
        page_size=size,
        blocks=stream.ram_blocks,
        memory=memory,
        zero=zero_pages(memory, size),
        ram_section=int(ram["section_id"].iloc[0]),
        sections=tuple(
            bytes(data[s:e])
            for s, e in zip(devices["offset"].tolist(), ends.tolist(), strict=True)
        ),
        description=bytes(data[at + _VMDESC_HEAD : at + length]),
        switchover_start=bool((records["name"] == "SWITCHOVER_START").any()),
        room=room,
    )


def zero_pages(memory: npt.NDArray[np.uint8], page_size: int) -> npt.NDArray[np.bool_]:
    """Tell which pages hold nothing but zeros; 64 MiB are looked at a time."""
    words = memory.view(np.uint64).reshape(-1, page_size // 8)
    step = (64 << 20) // page_size
    parts = [~words[at : at + step].any(axis=1) for at in range(0, len(words), step)]
    return np.concatenate([np.empty(0, bool), *parts])


def _fill(memory: npt.NDArray[np.uint8], stream: Stream, data: Buffer) -> None:
    """Put every page where it belongs: the last that was sent of it, or all with differences."""
    pages = stream.pages
    if not (pages["kind"] == "xbzrle").any():
        pages = pages[~pages["page"].duplicated(keep="last")]
        pages = pages[pages["kind"] == "normal"]
    first = np.array([block.first_page for block in stream.ram_blocks])
    heads = np.array([9 + len(block.name) for block in stream.ram_blocks])
    numbers = pages["page"].to_numpy(np.int64)
    named = heads[np.searchsorted(first, numbers, side="right") - 1].tolist()
    _place(memory, stream.page_size, pages, named, memoryview(data))


def _place(
    memory: npt.NDArray[np.uint8],
    size: int,
    pages: pd.DataFrame,
    named: list[int],
    data: memoryview,
) -> None:
    view = memory.data
    columns = (pages["page"].tolist(), pages["kind"].tolist(), pages["offset"].tolist(), named)
    for page, kind, at, head in zip(*columns, strict=True):
        start = at + (8 if data[at + 7] & RAM_SAVE_FLAG_CONTINUE else head)
        place = slice(page * size, page * size + size)
        if kind == "normal":
            view[place] = data[start : start + size]
        elif kind == "zero":
            view[place] = bytes(size)
        else:
            length = int.from_bytes(data[start + 1 : start + 3], "big")
            view[place] = decode(bytes(data[start + 3 : start + 3 + length]), bytes(view[place]))


def _fill_mapped(memory: npt.NDArray[np.uint8], stream: Stream, data: Buffer) -> None:
    size = stream.page_size
    for block in stream.ram_blocks:
        pages = present_pages(data, block, size)
        there = np.frombuffer(data, np.uint8, block.used_length, block.pages_offset or 0)
        first = block.first_page * size
        into = memory[first : first + block.used_length].reshape(-1, size)
        into[pages] = there.reshape(-1, size)[pages]
