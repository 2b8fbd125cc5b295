"""Pages at their own places in a file (mapped-ram; migration/ram.c, mapped_ram_setup_ramblock).

Nothing but the page is written, and counted: no record header. A bitmap a block, written at the
end, says which pages the file holds; the others are zero.
"""

from libc.stdint cimport int64_t

from migkit._engine.bitmap cimport clear_bit, words_for
from migkit._engine.multifd cimport queue_run
from migkit._engine.page_record cimport page_cost_ns
from migkit._engine.stream cimport count_ram_bytes, flush, put, write_at
from migkit._engine.target cimport note_in_file
from migkit._engine.types cimport PAGE_BYTES
from migkit._engine.world cimport World

cdef enum:
    HEADER_BYTES = 28           # version, page size, offsets of bitmap and pages
    ALIGNMENT = 1 << 20         # of a block's pages


cdef int64_t bitmap_bytes(World w, int block) noexcept nogil:
    """Return the size of a block's bitmap: whole words."""
    return words_for(w.block_start[block + 1] - w.block_start[block]) * 8


cdef void begin(World w, int block) noexcept nogil:
    """Write a block's header and leave room for its bitmap and pages."""
    cdef int64_t end, pages = w.block_start[block + 1] - w.block_start[block]
    flush(w)
    w.target.bitmap_offset[block] = w.target.position + HEADER_BYTES
    end = w.target.bitmap_offset[block] + bitmap_bytes(w, block)
    put(w, HEADER_BYTES)
    flush(w)
    w.target.pages_offset[block] = (end + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    w.target.position = w.target.pages_offset[block] + pages * PAGE_BYTES


cdef int64_t save_page(World w, int block, int64_t page) noexcept nogil:
    """Write a page at its place; of a zero page only the bitmap knows. Return 1."""
    cdef int64_t offset
    w.last_seen_block = block
    w.last_page = page + 1
    clear_bit(w.bmap, page)
    w.dirty_pages -= 1
    if w.finds_zero(page):
        w.t += w.host.zero_page_ns
        w.zero_pages += 1
        note_in_file(&w.target, page, False)
        return 1
    w.t += page_cost_ns(w)
    w.normal_pages += 1
    offset = (page - w.block_start[block]) * PAGE_BYTES
    write_at(w, PAGE_BYTES, w.target.pages_offset[block] + offset)
    note_in_file(&w.target, page, True)
    count_ram_bytes(w, PAGE_BYTES)
    return 1


cdef int64_t queue_for_file(World w, int block, int64_t page) noexcept nogil:
    """Queue a page for a channel that writes it at its own place."""
    cdef int64_t sent = queue_run(w, block, page, page + 1, 1)
    if sent > 0 and w.content.is_zero(page):    # the channel finds out, or does not look
        w.multifd.zero_pages[w.multifd.zero - 1] = page
    elif sent > 0:
        note_in_file(&w.target, page, True)
    return sent


cdef void write_bitmaps(World w) noexcept nogil:
    """Write which pages the file holds, each bitmap at its place (ram_save_file_bmap)."""
    cdef int64_t count
    cdef int block
    for block in range(w.blocks):
        if w.shared.ignored[block]:
            continue
        count = bitmap_bytes(w, block)
        write_at(w, count, w.target.bitmap_offset[block])
        count_ram_bytes(w, count)
