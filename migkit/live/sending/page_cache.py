"""Pages as differences to what was sent before: xbzrle, with its page cache.

What decides is `migkit._engine.xbzrle_rules` and `migkit._engine.xbzrle`. Source: migration/ram.c
(save_xbzrle_page, xbzrle_cache_zero_page), migration/page_cache.c.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from migkit._engine import xbzrle_rules as rules
from migkit._engine.xbzrle import encode
from migkit.stream.blocks import Block

__all__ = ["PageCache"]

_RAM_ALIGNMENT_PAGES = 64
_WORD_BYTES = 8


@dataclass
class _Entry:
    address: int
    age: int
    data: bytes


class PageCache:
    """The pages that were sent last, as far as there is place for them.

    Parameters
    ----------
    blocks : iterable of Block
        Of the guest; the cache counts in RAM addresses, one block behind the other on multiples
        of 64 pages (system/physmem.c, find_ram_offset).
    page_size, cache_bytes : int
        Of a target page; QEMU's ``xbzrle-cache-size``.

    Attributes
    ----------
    started : bool
        From the second sweep on.
    last_stage : bool
        Once the guest stands still, nothing is copied into it.
    pages, misses, overflows, encoded_bytes : int
        QEMU's ``xbzrle-cache``: pages it had, unchanged ones among them, and had not; differences
        larger than the page; bytes of the records without their headers of 8 bytes.
    target_pages : int
        Pages sent in passes; rates are told by these.
    miss_rate, encoding_rate : float
        Of the last period.
    """

    def __init__(self, blocks: Iterable[Block], page_size: int, cache_bytes: int) -> None:
        self.size_bytes = cache_bytes
        self.started = self.last_stage = False
        self.pages = self.misses = self.overflows = self.encoded_bytes = self.target_pages = 0
        self.miss_rate = self.encoding_rate = 0.0
        self._page_size = page_size
        self._cache_pages = cache_bytes // page_size
        self._entries: dict[int, _Entry] = {}
        self._before = (0, 0, 0, 0)
        whole = _RAM_ALIGNMENT_PAGES * page_size
        rooms = [-(-block.used_length // whole) * _RAM_ALIGNMENT_PAGES for block in blocks]
        self.starts = list(accumulate(rooms, initial=0))
        """RAM address of each block's first page, in pages."""

    def zero(self, address: int, generation: int) -> None:
        """Take note of a zero page, so that no older copy of it stays."""
        self._insert(address, generation, bytes(self._page_size))

    def difference(self, address: int, generation: int, data: bytes) -> bytes | None:
        """Tell what changed in a page that is to be sent.

        Parameters
        ----------
        address : int
            Its number in RAM addresses.
        generation : int
            Syncs of the dirty bitmap so far.
        data : bytes
            What it holds now.

        Returns
        -------
        bytes or None
            The difference to what was sent last, nothing where it is as it was; None where the
            page is sent whole.
        """
        entry = self._entries.get(rules.cache_position(address, self._cache_pages))
        if entry is None or entry.address != address:
            self.misses += 1
            if not self.last_stage:
                self._insert(address, generation, data)
            return None
        entry.age = generation
        self.pages += 1
        found: bytes | None = encode(entry.data, data, self._page_size)
        if found != b"" and not self.last_stage:
            entry.data = data
        if found is None:
            self.overflows += 1
            self.encoded_bytes += self._page_size
        return found

    def count(self, record: bytes) -> None:
        """Count the record of a difference, without its first 8 bytes."""
        self.encoded_bytes += len(record) - _WORD_BYTES

    def update_rates(self) -> None:
        """Tell the rates of a period of syncs that is over (migration_update_rates)."""
        now = (self.target_pages, self.misses, self.pages, self.encoded_bytes)
        pages, misses, hits, encoded = (a - b for a, b in zip(now, self._before, strict=True))
        self.miss_rate = rules.cache_miss_rate(misses, pages, self.miss_rate)
        self.encoding_rate = rules.encoding_rate(hits, encoded, pages, self.encoding_rate)
        if pages:
            self._before = now

    def _insert(self, address: int, generation: int, data: bytes) -> None:
        position = rules.cache_position(address, self._cache_pages)
        entry = self._entries.get(position)
        if entry is not None and entry.address != address:
            if not rules.replaceable(entry.age, generation):
                return
        self._entries[position] = _Entry(address, generation, data)
