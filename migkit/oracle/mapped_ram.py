"""Pages at their own places in a file (mapped-ram; migration/ram.c, mapped_ram_setup_ramblock).

Nothing but the page is written, and counted: no record header. A bitmap a block, written at the
end, says which pages the file holds; the others are zero.
"""

from __future__ import annotations

from migkit.oracle.page_record import page_cost_ns
from migkit.oracle.stream import count_ram_bytes, flush, put, write_at
from migkit.oracle.world import PAGE_BYTES, World

HEADER_BYTES = 4 + 8 + 8 + 8  # version, page size, offsets of bitmap and pages
ALIGNMENT = 1 << 20  # of a block's pages


def is_on(w: World) -> bool:
    """Whether pages have places of their own."""
    return w.plan.target is not None and bool(w.plan.target.mapped_ram)


def bitmap_bytes(w: World, block: int) -> int:
    """Return the size of a block's bitmap: whole words."""
    return (w.plan.block_pages[block] + 63) // 64 * 8


def begin(w: World, block: int) -> None:
    """Write a block's header and leave room for its bitmap and pages."""
    flush(w)
    w.bitmap_offset[block] = w.file_position + HEADER_BYTES
    put(w, HEADER_BYTES)
    flush(w)
    end = w.bitmap_offset[block] + bitmap_bytes(w, block)
    w.pages_offset[block] = (end + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    w.file_position = w.pages_offset[block] + w.plan.block_pages[block] * PAGE_BYTES


def save_page(w: World, block: int, page: int) -> int:
    """Write a page at its place; of a zero page only the bitmap knows."""
    w.bmap[page] = 0
    w.dirty_pages -= 1
    if w.finds_zero(page):
        w.t += w.plan.host.zero_page_ns
        w.zero_pages += 1
        w.note_in_file(page, False)
        return 1
    w.t += page_cost_ns(w)
    w.normal_pages += 1
    offset = (page - w.block_start[block]) * PAGE_BYTES
    write_at(w, PAGE_BYTES, w.pages_offset[block] + offset)
    w.note_in_file(page, True)
    count_ram_bytes(w, PAGE_BYTES)
    return 1


def write_bitmaps(w: World) -> None:
    """Write which pages the file holds, each bitmap at its place (ram_save_file_bmap)."""
    for block in range(len(w.plan.block_pages)):
        if block not in w.plan.ignored_blocks:
            write_at(w, bitmap_bytes(w, block), w.bitmap_offset[block])
            count_ram_bytes(w, bitmap_bytes(w, block))
