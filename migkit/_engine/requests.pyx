"""What the destination has asked for, as the migration thread finds it (get_queued_page)."""

from libc.stdint cimport int64_t

from migkit._engine.bitmap cimport test
from migkit._engine.destination cimport hear
from migkit._engine.faults cimport PAGE, SENT_NS, block_of, cell, next_request
from migkit._engine.queues cimport length
from migkit._engine.types cimport (
    EVENT_GET_QUEUED_PAGE, EVENT_GET_QUEUED_PAGE_NOT_DIRTY, PAGE_BYTES,
)
from migkit._engine.world cimport World


cdef bint requested(World w) noexcept nogil:
    """Whether the destination has asked for something: that is served beyond the budget."""
    if not w.in_postcopy() or w.postcopy_preempt:
        return False
    hear(w)
    return length(&w.incoming.asked) > 0


cdef int64_t requested_page(World w) noexcept nogil:
    """Next page that the destination asked for and that is still dirty, or -1."""
    cdef int64_t page, offset, row
    cdef int block
    hear(w)
    while True:
        row = next_request(w)
        if row < 0:
            return -1
        page = cell(w, row, PAGE)[0]
        block = block_of(w, page)
        offset = (page - w.block_start[block]) * PAGE_BYTES
        if test(w.bmap, page):
            w.emit(EVENT_GET_QUEUED_PAGE, block, offset, page)
            cell(w, row, SENT_NS)[0] = w.t
            return page
        w.emit(EVENT_GET_QUEUED_PAGE_NOT_DIRTY, block, offset, page)
