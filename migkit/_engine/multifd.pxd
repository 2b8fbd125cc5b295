# multifd in the migration thread: pages into batches, batches to channels, syncs.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef int64_t queue_run(World w, int block, int64_t page, int64_t end, int64_t limit) noexcept nogil
cdef int64_t pages_until(World w, int64_t page_ns) noexcept nogil
cdef void flush_and_sync(World w) noexcept nogil
cdef bint end_of_sweep(World w) noexcept nogil
cdef void end_of_section(World w) noexcept nogil


cdef inline bint takes(World w, int64_t page) noexcept nogil:
    """Whether a page goes to a channel, not into the main stream (ram_save_target_page)."""
    if w.multifd == NULL or w.in_postcopy():
        return False
    return not w.finds_zero(page)
