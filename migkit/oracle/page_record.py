"""Records of pages on the main stream, and what they cost (migration/ram.c)."""

from __future__ import annotations

from migkit.oracle import release
from migkit.oracle.stream import count_ram_bytes, put, put_page
from migkit.oracle.world import PAGE_BYTES, World

RECORD_HEADER_BYTES = 8


def header_bytes(w: World, block: int) -> int:
    """Return the size of the next record's header: a block other than the last one is named."""
    if block == w.last_sent_block:
        return RECORD_HEADER_BYTES
    w.last_sent_block = block
    return RECORD_HEADER_BYTES + 1 + w.plan.block_id_bytes[block]


def put_zero_record(w: World, block: int) -> None:
    """Write the record of a zero page and account it (save_zero_page)."""
    header = header_bytes(w, block)
    w.t += w.plan.host.zero_page_ns
    w.batch_service_ns += zero_page_service_ns(w)
    w.zero_pages += 1
    count_ram_bytes(w, header + 1)
    put(w, header + 1)
    release.sent(w)


def put_page_record(w: World, block: int, *, by_reference: bool) -> None:
    """Write the record of a page with data and account it (save_normal_page)."""
    header = header_bytes(w, block)
    w.t += page_cost_ns(w)
    w.batch_service_ns += page_service_ns(w)
    w.normal_pages += 1
    count_ram_bytes(w, header + PAGE_BYTES)
    put(w, header)
    if by_reference:
        release.put_page(w)
        put_page(w)
    else:
        put(w, PAGE_BYTES)


def page_cost_ns(w: World) -> int:
    """Return what the source needs for a page; after the first sweep they lie scattered."""
    host = w.plan.host
    if w.in_postcopy:
        return host.postcopy.page_ns
    return host.sparse_page_ns if w.swept else host.normal_page_ns


def page_service_ns(w: World) -> int:
    """Return what the destination needs to place a page; its first touch of memory is dear."""
    host = w.plan.host
    if w.in_postcopy:
        return host.place_page_ns
    return host.destination_page_ns if w.swept else host.first_touch_page_ns


def zero_page_service_ns(w: World) -> int:
    """Return what the destination needs for a zero page; in postcopy each is put in place."""
    host = w.plan.host
    return host.postcopy.place_zero_page_ns if w.in_postcopy else host.destination_zero_page_ns
