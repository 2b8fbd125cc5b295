"""The dirty log of a guest that runs: vCPUs mark and write, a sync tests and clears.

Source: accel/tcg/cputlb.c (notdirty_write), system/physmem.c
(cpu_physical_memory_test_and_clear_dirty).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["DirtyLog"]

_NOTHING = -1


class DirtyLog:
    """A mark for each page, and what each vCPU is just writing.

    A vCPU says which page it is about to write, marks it, writes, and takes the saying back. A
    sync may clear the mark before the write is done: TCG makes the page slow to write again, so
    that the write marks it once more. Here the sync puts the mark back of each page that is said
    to be written.

    Parameters
    ----------
    pages : int
        Pages of the guest.
    vcpus : int
        Who marks.

    Attributes
    ----------
    marks : bytearray
        1 for each page that was written since the last sync.
    writing : list of int
        For each vCPU the page that it writes, or -1.
    """

    def __init__(self, pages: int, vcpus: int) -> None:
        self.marks = bytearray(pages)
        self.writing = [_NOTHING] * vcpus
        self._view = np.frombuffer(self.marks, np.uint8)

    def begin(self, vcpu: int, page: int) -> None:
        """Mark a page that is written next."""
        self.writing[vcpu] = page
        self.marks[page] = 1

    def end(self, vcpu: int) -> None:
        """Say that the page is written."""
        self.writing[vcpu] = _NOTHING

    def take(self) -> npt.NDArray[np.int64]:
        """Return the pages that are marked, and clear their marks."""
        # Of a copy: NumPy lets go of Python's lock, and vCPUs go on to mark.
        found = np.flatnonzero(np.frombuffer(bytes(self.marks), np.uint8))
        self._view[found] = 0
        for page in list(self.writing):
            if page != _NOTHING:
                self.marks[page] = 1
        return found
