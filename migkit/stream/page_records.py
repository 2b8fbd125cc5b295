"""The page records of RAM: walked one by one, and in runs where a run has one stride.

A page is never looked at, only its record's header. Most records of a stream are pages of one
kind that continue the block before them, so their headers are a fixed number of bytes apart and
are compared all at once. Source: migration/ram.c (save_page_header, ram_load).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import wire
from .blocks import Block, Blocks
from .cursor import Cursor
from .page_batch import PageBatch

__all__ = ["MOST_HELD", "PageBatch", "PageChannel", "same_stride"]

_WORD = struct.Struct(">Q")
_ZERO, _PAGE, _XBZRLE = (
    wire.RAM_SAVE_FLAG_ZERO,
    wire.RAM_SAVE_FLAG_PAGE,
    wire.RAM_SAVE_FLAG_XBZRLE,
)
_CONTINUE, _EOS = wire.RAM_SAVE_FLAG_CONTINUE, wire.RAM_SAVE_FLAG_EOS
_SAME_PAGE, _SAME_ZERO = _PAGE | _CONTINUE, _ZERO | _CONTINUE
_ZERO_STEP = 9
_MARKS = (wire.RAM_SAVE_FLAG_HOOK, wire.RAM_SAVE_FLAG_MULTIFD_FLUSH)
_LONGEST_HEAD = 8 + 1 + 255 + 3
_STREAK = 8
_MOST_AT_ONCE = 1 << 16
MOST_HELD = 1 << 18
"""Page records that are counted at a time."""


def same_stride(
    cursor: Cursor, stride: int, flags: int, mask: int, used_length: int, most: int = MOST_HELD
) -> npt.NDArray[np.uint64]:
    """Return the words of the records that follow with the same flags, a stride apart.

    Parameters
    ----------
    cursor : Cursor
        At the first of them; it moves behind the last.
    stride : int
        Bytes of a whole record.
    flags, mask : int
        What a word has in the bits of the mask.
    used_length : int
        Bytes of the block; an address is below.
    most : int
        Records to return at most.

    Returns
    -------
    array of uint64, shape (n,)
        Possibly none.
    """
    found = []
    chunk, held = 64, 0
    while (count := min(cursor.left // stride, chunk, most - held)) > 0:
        seen = np.ndarray((count,), ">u8", cursor.data, cursor.at, (stride,))
        words = seen.astype(np.uint64)
        fits = ((words & np.uint64(mask)) == flags) & (words < np.uint64(used_length))
        good = count if fits.all() else int(fits.argmin())
        found.append(words[:good])
        held += good
        cursor.at += good * stride
        if good < count:
            break
        chunk = min(2 * chunk, _MOST_AT_ONCE)
    return np.concatenate(found) if found else np.empty(0, np.uint64)


class PageChannel:
    """Reads the page records of one channel and remembers its current block.

    Parameters
    ----------
    blocks : Blocks
        What the stream announced.
    take : callable
        Gets a `PageBatch` whenever there is enough of it, and the last by `flush`.

    Attributes
    ----------
    most : int
        Pages after which it gets one.
    on_flush : callable or None
        Called at a word that multifd channels are to be waited for, when all pages before it were
        handed on.
    """

    def __init__(self, blocks: Blocks, take: Callable[[PageBatch], None]) -> None:
        self.blocks = blocks
        self.block: int | None = None
        self.flushes = 0
        self.most = MOST_HELD
        self.on_flush: Callable[[], None] | None = None
        self._take = take
        self._row = 0
        self._batch = PageBatch()

    def break_sweep(self) -> None:
        """Let the next page open a round: QEMU starts at the first block again."""
        self._batch.breaks.append(len(self._batch.words))

    def flush(self) -> None:
        """Hand on what was read."""
        batch, self._batch = self._batch, PageBatch()
        if self.block is not None:
            self._batch.entered.append((0, self.block))
        if batch.words:
            self._take(batch)
        else:
            self._batch.breaks = batch.breaks and [0]

    @property
    def held(self) -> int:
        """Pages that were read and not handed on."""
        return len(self._batch.words)

    def goes_on(self, at: int) -> None:
        """Note that records follow each other from here on, bytes into the stream."""
        batch = self._batch
        if batch.gapless and batch.gapless[-1][0] == len(batch.words):
            batch.gapless.pop()
        batch.gapless.append((len(batch.words), at, self._row))

    def read(self, cursor: Cursor, row: int, *, framed: bool = True) -> None:
        """Read records to the end of the section.

        Parameters
        ----------
        cursor : Cursor
            At the first word; afterwards behind the word with ``RAM_SAVE_FLAG_EOS``.
        row : int
            Which record of the main stream this is.
        framed : bool
            Whether the end of the data, without that word, is an error.

        Raises
        ------
        StreamError
            At the first word that is none.
        """
        self.begin(cursor, row)
        self.read_on(cursor, framed=framed)

    def begin(self, cursor: Cursor, row: int) -> None:
        """Begin a section of pages, the main stream's record of this number."""
        self._row, self.flushes = row, 0
        self.goes_on(cursor.place)

    def read_on(self, cursor: Cursor, *, framed: bool = True) -> None:
        """Read on in a section, to its end; the cursor's mark is where a record begins."""
        mask = self.blocks.page_size - 1
        longest = self.blocks.page_size + _LONGEST_HEAD
        while True:
            self._continued(cursor, mask)
            if self.held >= self.most:
                self.flush()
                self.goes_on(cursor.place)
                continue
            if cursor.live and cursor.left < longest and self._settled(cursor):
                continue
            if not (framed or cursor.have(1)):
                break
            cursor.mark = cursor.at
            word = cursor.u64("word of a page record")
            flags = word & mask
            if flags == _EOS:
                break
            if flags in _MARKS:
                self._mark(flags)
                self.goes_on(cursor.place)
            else:
                self._record(cursor, word, flags)

    def _settled(self, cursor: Cursor) -> bool:
        """Hand on what was read before more is waited for; tell whether more was there already."""
        self.flush()
        came = cursor.settle()
        self.goes_on(cursor.place)
        return came

    def _mark(self, flags: int) -> None:
        if flags != wire.RAM_SAVE_FLAG_MULTIFD_FLUSH:
            return
        self.flushes += 1
        if self.on_flush is not None:
            self.flush()
            self.on_flush()

    def _continued(self, cursor: Cursor, mask: int) -> None:
        """Walk pages that continue the block, up to a record of another form, or a wrong one."""
        if self.block is None:
            return
        used = self.blocks.listed[self.block].used_length
        data, at, words = cursor.data, cursor.at, self._batch.words
        page_step = _WORD.size + self.blocks.page_size
        last_page, last_zero = cursor.end - page_step, cursor.end - _ZERO_STEP
        before, streak, most = 0, 0, self.most
        while at <= last_zero and len(words) < most:
            word = _WORD.unpack_from(data, at)[0]
            flags = word & mask
            if flags == _SAME_PAGE and at <= last_page and word < used:
                at += page_step
            elif flags == _SAME_ZERO and word < used and not data[at + 8]:
                at += _ZERO_STEP
            else:
                break
            words.append(word)
            streak = streak + 1 if flags == before else 0
            before = flags
            if streak == _STREAK:
                cursor.at = at
                self._run(cursor, flags, mask, used)
                at, streak = cursor.at, 0
        cursor.at = at

    def _record(self, cursor: Cursor, word: int, flags: int) -> None:
        start = cursor.at - 8
        kind = flags & ~_CONTINUE
        if kind not in {_ZERO, _PAGE, _XBZRLE}:
            raise cursor.fail(
                f"word {word:#x} with flags {flags:#x}, which no page record has", at=start
            )
        if not flags & _CONTINUE:
            self._enter(cursor, start)
        block = self._current(cursor, start)
        if word >= block.used_length:
            raise cursor.fail(
                f"address {word - flags:#x} outside block {block.name} of {block.used_length} B",
                at=start,
            )
        if kind == _PAGE:
            cursor.skip(self.blocks.page_size, "page")
        elif kind == _ZERO:
            if cursor.u8("zero page"):
                raise cursor.fail("a zero page of other bytes", at=start)
        else:
            self._xbzrle(cursor, start)
        self._batch.words.append(word)

    def _enter(self, cursor: Cursor, start: int) -> None:
        name = cursor.take(cursor.u8("block id"), "block id")
        number = self.blocks.number.get(name)
        if number is None:
            raise cursor.fail(
                f"page of block {name[:40]!r}, which the stream did not announce", at=start
            )
        self.block = number
        self._batch.entered.append((len(self._batch.words), number))

    def _current(self, cursor: Cursor, start: int) -> Block:
        if self.block is None:
            raise cursor.fail("a page that continues a block before any block", at=start)
        return self.blocks.listed[self.block]

    def _xbzrle(self, cursor: Cursor, start: int) -> None:
        encoding = cursor.u8("xbzrle encoding")
        length = cursor.u16("xbzrle length")
        if encoding != 1 or length > self.blocks.page_size:
            raise cursor.fail(
                f"xbzrle encoding {encoding} of {length} B, allowed 1 and a page", at=start
            )
        cursor.skip(length, "xbzrle page")
        self._batch.xbzrle_sizes.append(length)

    def _run(self, cursor: Cursor, flags: int, mask: int, used: int) -> None:
        """Take the records of the same form that follow, all at once."""
        stride = _WORD.size + self.blocks.page_size if flags == _SAME_PAGE else _ZERO_STEP
        at = cursor.at
        words = same_stride(cursor, stride, flags, mask, used, self.most - self.held)
        if flags == _SAME_ZERO and len(words):
            fills = np.ndarray((len(words),), np.uint8, cursor.data, at + 8, (stride,))
            if fills.any():  # the record is read once more by itself, to say what is wrong
                words = words[: int((fills != 0).argmax())]
                cursor.at = at + len(words) * stride
        self._batch.words.frombytes(words.tobytes())
