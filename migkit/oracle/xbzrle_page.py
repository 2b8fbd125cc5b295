"""Sending a page that may be in the cache of xbzrle (migration/ram.c save_xbzrle_page)."""

from __future__ import annotations

from migkit.oracle.codes import Event
from migkit.oracle.page_cache import PageCache
from migkit.oracle.page_copy import PageCopy
from migkit.oracle.page_record import header_bytes, put_page_record
from migkit.oracle.stream import count_ram_bytes, put
from migkit.oracle.world import PAGE_BYTES, World
from migkit.oracle.xbzrle import encode
from migkit.oracle.xbzrle_rules import record_bytes


def active(w: World) -> bool:
    """Whether pages go through the cache: from the second sweep on, and not in postcopy."""
    return w.xbzrle is not None and w.xbzrle.started and not w.in_postcopy


def address_of(w: World, block: int, page: int) -> int:
    """Return a page's number in the guest's RAM addresses."""
    return int(w.plan.xbzrle.ram_starts[block]) + page - w.block_start[block]


def save_zero_page(w: World, x: PageCache, block: int, page: int) -> None:
    """Let the cache know of a zero page, so that no older copy stays (xbzrle_cache_zero_page)."""
    w.t += x.insert(address_of(w, block, page), w.dirty_sync_count, page, 0)


def save_page(w: World, x: PageCache, block: int, page: int) -> int:
    """Send a page with data, as a delta if the cache has it.

    Returns the pages sent: 0 when it is as it was.
    """
    address, generation = address_of(w, block, page), w.dirty_sync_count
    entry = x.find(address, generation)
    if entry is None:
        x.misses += 1
        if not x.last_stage:
            w.t += x.insert(address, generation, page, w.content.data_bytes(page))
        put_page_record(w, block, by_reference=x.last_stage)
        return 1
    x.hits += 1
    w.t += x.planned.costs.hit_ns
    record = delta(w, x, entry.copy, page)
    if record != b"" and not x.last_stage:
        entry.copy = x.copy(page, w.content.data_bytes(page))
        w.t += x.planned.costs.copy_ns
    if record == b"":
        w.emit(Event.SAVE_XBZRLE_PAGE_SKIPPING)
        return 0
    if record is None:
        w.emit(Event.SAVE_XBZRLE_PAGE_OVERFLOW)
        x.overflows += 1
        x.encoded_bytes += PAGE_BYTES
        put_page_record(w, block, by_reference=x.last_stage)
        return 1
    put_delta(w, x, block, len(record))
    return 1


def delta(w: World, x: PageCache, copy: PageCopy, page: int) -> bytes | None:
    """Encode a page against its copy."""
    old, new = copy.pair(w.content.data_bytes(page), x.real(page))
    return encode(old, new, PAGE_BYTES)


def put_delta(w: World, x: PageCache, block: int, encoded_bytes: int) -> None:
    """Write the record of a delta and account it."""
    count = record_bytes(header_bytes(w, block), encoded_bytes)
    w.batch_service_ns += x.planned.costs.record_ns
    x.encoded_bytes += count - 8
    count_ram_bytes(w, count)
    put(w, count)
