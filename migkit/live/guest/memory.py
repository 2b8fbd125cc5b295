"""The memory of a guest that runs: private, anonymous, and touched without Python's lock."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

__all__ = ["GuestMemory", "map_private"]


def map_private(size: int) -> mmap.mmap:
    """Map memory of which a page can be thrown away again, and none is there before it is used.

    Shared memory, which Python maps by default, keeps its pages when they are discarded. Large
    pages would bring in neighbours that did not arrive (QEMU: postcopy_ram_prepare_discard).
    """
    found = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        found.madvise(mmap.MADV_NOHUGEPAGE)
    return found


class GuestMemory:
    """A mapping, as vCPUs see it.

    Parameters
    ----------
    mapping : mmap
        Of `map_private`.
    page_size : int
        Bytes of a page.

    Attributes
    ----------
    bytes : array of uint8
        All of it. Who reads it holds Python's lock, so every page must be there.
    address : int
        Where it begins.
    """

    def __init__(self, mapping: mmap.mmap, page_size: int) -> None:
        self.mapping, self.page_size = mapping, page_size
        self.bytes = np.frombuffer(mapping, np.uint8)
        self.address: int = self.bytes.ctypes.data
        self.pages = len(self.bytes) // page_size
        self.view = memoryview(mapping)

    def touch(self, page: int) -> None:
        """Read of a page, and wait for it where it is missing.

        The thread waits inside of the kernel, so it must not hold Python's lock: the thread that
        has the page placed needs it. A function of a ``CDLL`` is called without the lock, as
        ``memmove`` is (one of a ``PyDLL`` is not).
        """
        ctypes.memmove(ctypes.create_string_buffer(1), self.address + page * self.page_size, 1)
