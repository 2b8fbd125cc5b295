"""Pages on their way through the cache of xbzrle: records of what changed in them.

Source: migration/ram.c (ram_save_page, save_xbzrle_page, ram_find_and_save_block).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .outgoing import Outgoing
from .page_cache import PageCache

__all__ = ["active", "send_differences"]

_MOST = 1 << 16


def active(m: Outgoing) -> bool:
    """Tell whether pages go through the cache: from the second sweep on, not in postcopy."""
    return m.xbzrle is not None and m.xbzrle.started and not m.in_postcopy


def send_differences(m: Outgoing) -> int:
    """Send the next pages until the buffer of QEMU's file is full.

    Returns
    -------
    int
        How many were sent; 0 when no page is dirty. Pages that are as they were are passed over.
    """
    assert m.xbzrle is not None
    while True:
        batch = _Batch(m, m.xbzrle)
        if not len(m.dirty.take(_MOST, batch.put)):
            return 0
        m.file.flush_full()
        m.count(batch.normal, batch.zero, batch.bytes)
        m.counted.xbzrle_pages = m.xbzrle.pages
        if batch.sent:
            return batch.sent


class _Batch:
    """Records of pages of one block, and what is counted of them."""

    def __init__(self, m: Outgoing, cache: PageCache) -> None:
        self._m, self._cache = m, cache
        self.normal = self.zero = self.changed = self.bytes = 0

    @property
    def sent(self) -> int:
        return self.normal + self.zero + self.changed

    def put(self, pages: npt.NDArray[np.int64]) -> int:
        """Put pages until the buffer is full; return how many were looked at."""
        m = self._m
        number = m.dirty.block_of(int(pages[0]))
        block, size = m.image.blocks[number], m.image.page_size
        view, zero = m.image.view(block), m.image.zero
        start = self._cache.starts[number]
        for done, page in enumerate(map(int, pages)):  # few fit, of the many that may
            if done and m.file.is_full:
                return done
            within = page - block.first_page
            data = b"" if zero[page] else bytes(view[within * size : within * size + size])
            record = self._record(block.name, within, start + within, data)
            m.file.put(record)
            self.bytes += len(record)
        return len(pages)

    def _record(self, block: str, page: int, address: int, data: bytes) -> bytes:
        cache, writer, generation = self._cache, self._m.file.pages, self._m.counted.syncs
        if not data:
            cache.zero(address, generation)
            self.zero += 1
            return writer.page(block, page, data)
        changed = cache.difference(address, generation, data)
        if changed is None:
            self.normal += 1
            return writer.page(block, page, data)
        if not changed:  # it is as it was
            return b""
        self.changed += 1
        record = writer.difference(block, page, changed)
        cache.count(record)
        return record
