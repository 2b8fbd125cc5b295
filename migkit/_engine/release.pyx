"""Memory that the source gives back in postcopy (release-ram; migration/ram.c, qemu-file.c).

At the switch every clean page goes; later a zero page as it is sent, a page of data once the
write that carries it is done.
"""

from libc.stdint cimport int64_t

from migkit._engine.bitmap cimport find_next_clear, find_next_set
from migkit._engine.world cimport World


cdef void put_page(World w) noexcept nogil:
    """A page of data is in the vector: it goes with the next write."""
    if w.release.on and w.in_postcopy():
        w.release.put_pages += 1


cdef void written(World w) noexcept nogil:
    """The vector is written, or lost: give back what it held (qemu_iovec_release_ram)."""
    if w.release.put_pages > 0:
        give_back(w, w.release.put_pages)
        w.release.put_pages = 0


cdef void sent(World w) noexcept nogil:
    """Give back a page whose contents nothing refers to any more (ram_release_page)."""
    if w.release.on and w.in_postcopy():
        give_back(w, 1)


cdef int64_t by_other_thread(World w) noexcept nogil:
    """Give back a page that another thread has sent; return the time it takes that thread."""
    if not w.release.on:
        return 0
    w.release.sent_pages += 1
    return w.release.range_ns + w.release.page_ns


cdef void give_back(World w, int64_t pages) noexcept nogil:
    """Give back pages one by one."""
    w.release.sent_pages += pages
    w.t += pages * (w.release.range_ns + w.release.page_ns)


cdef void at_switch(World w) noexcept nogil:
    """Give back every run of clean pages (ram_postcopy_migrated_memory_release)."""
    cdef int64_t page, end, after
    cdef int block
    if not w.release.on:
        return
    for block in range(w.blocks):
        page, end = w.block_start[block], w.block_start[block + 1]
        while True:
            page = find_next_clear(w.bmap, page, end)
            if page >= end:
                break
            after = find_next_set(w.bmap, page, end)
            w.release.switch_pages += after - page
            w.t += w.release.range_ns + (after - page) * w.release.page_ns
            page = after
