"""The memory of a guest that arrives: in postcopy its vCPUs wait for pages, by userfaultfd.

Source: migration/postcopy-ram.c (postcopy_ram_incoming_setup, postcopy_ram_fault_thread,
postcopy_place_page, postcopy_place_page_zero), migration/ram.c (ram_load_postcopy).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from migkit.errors import StreamError
from migkit.live.arena import Arena, Int64Array
from migkit.live.faults import FaultPattern, Missing
from migkit.live.page_runs import runs_of
from migkit.stream.blocks import Blocks
from migkit.stream.cursor import Buffer

from .memory import map_private
from .userfaultfd import Userfaultfd

__all__ = ["GuestArena"]

_TWICE = "give the stream as a source writes it"


class GuestArena(Arena):
    """Pages of a guest that runs before all of them are there.

    Until `listen` pages are copied as into any arena. From then on nothing here touches the
    memory: the kernel places pages and wakes who waits for them.

    Parameters
    ----------
    blocks : Blocks
        What the stream announced.
    """

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(blocks)
        self._address: int = self._bytes.ctypes.data
        self._told: Callable[[Int64Array], None] = lambda pages: None
        self._faults: Userfaultfd | None = None

    @property
    def mapping(self) -> mmap.mmap:
        """All of it."""
        return self._memory

    def listen(self) -> None:
        """Let whoever touches a missing page wait, from now on.

        Raises
        ------
        UserfaultfdError
            If it is not permitted here.
        """
        self._faults = Userfaultfd()
        self._faults.register(self._address, len(self._bytes))

    def faults(self, found: Callable[[int], None]) -> FaultPattern:
        """Return a pattern of `Requests`: a page each time that somebody waits for it.

        A page that came as zero before postcopy was never touched. It is placed here, nobody
        else has it.

        Parameters
        ----------
        found : callable
            Gets the system's number of the thread that waits, before its page is asked for.
        """

        def pattern(missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
            faults = self._faults
            while faults is not None and (fault := faults.next_fault()) is not None:
                page = (fault.address - self._address) // self.blocks.page_size
                if self.received[page]:
                    self._answer(faults, page)
                    continue
                found(fault.thread_id)
                yield 0.0, page

        return pattern

    def tell(self, placed: Callable[[Int64Array], None]) -> None:
        """Let someone know of pages as soon as the kernel has them, as QEMU's blocktime does."""
        self._told = placed

    def end_faults(self) -> None:
        """End the pattern."""
        if self._faults is not None:
            self._faults.end_faults()

    def close(self) -> None:
        """Let nobody wait any more; the pattern must have ended."""
        faults, self._faults = self._faults, None
        if faults is not None:
            faults.close()

    def discard(self, block: str, start: int, length: int) -> bool:
        """Throw away a range of a block; False where it is none."""
        if self._faults is not None or not super().discard(block, start, length):
            return False
        first = self.blocks.listed[self.blocks.number[block.encode()]].first_page
        if length:
            at = first * self.blocks.page_size + start
            self._memory.madvise(mmap.MADV_DONTNEED, at, length)
        return True

    def clear(self, pages: Int64Array) -> None:
        """Make pages zero."""
        if self._faults is None:
            super().clear(pages)
            return
        size = self.blocks.page_size
        for first, count in runs_of(pages):
            with _placing(first):
                self._faults.zero(self._address + first * size, count * size)
            self._here(first, count)

    def _mapped(self, size: int) -> mmap.mmap:
        return map_private(size)

    def _copy(self, pages: Int64Array, source: npt.NDArray[np.void]) -> None:
        if self._faults is None:
            super()._copy(pages, source)
            return
        size, done = self.blocks.page_size, 0
        held = np.ascontiguousarray(source)
        for first, count in runs_of(pages):
            with _placing(first):
                address = held.ctypes.data + done * size
                self._faults.copy(self._address + first * size, address, count * size)
            self._here(first, count)
            done += count

    def _apply(
        self,
        pages: Int64Array,
        data: Buffer,
        ends: Int64Array,
        payloads: Int64Array,
        offsets: Int64Array,
    ) -> None:
        if self._faults is not None:
            raise StreamError.at(
                int(offsets[0]), "xbzrle page", "in postcopy, where none is due", _TWICE
            )
        super()._apply(pages, data, ends, payloads, offsets)

    def _here(self, first: int, count: int) -> None:
        self.received[first : first + count] = True
        self._told(np.arange(first, first + count))

    def _answer(self, faults: Userfaultfd, page: int) -> None:
        size = self.blocks.page_size
        address = self._address + page * size
        try:
            faults.zero(address, size)
        except FileExistsError:
            faults.wake(address, size)


@contextmanager
def _placing(page: int) -> Iterator[None]:
    """Turn what the kernel says of a page that is there into an error of the stream."""
    try:
        yield
    except FileExistsError:
        raise StreamError.of(
            f"page {page} or one behind it", "it came twice in postcopy", _TWICE
        ) from None
