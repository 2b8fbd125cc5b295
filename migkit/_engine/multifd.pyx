"""multifd in the migration thread: pages into batches, batches to channels, syncs.

A batch holds 128 pages of one block. It goes to a channel when the next page comes and it is full,
or of another block, and when somebody flushes (migration/multifd-nocomp.c, ram.c). Pages alike are
appended at once, up to the next moment at which a sender changes a counter.
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine.bitmap cimport clear_bit, take
from migkit._engine.packets cimport PAGES_PER_PACKET, Senders, add
from migkit._engine.senders cimport hand_over, sync
from migkit._engine.stream cimport flush, put
from migkit._engine.world cimport World

cdef enum:
    FLUSH_WORD_BYTES = 8


cdef int64_t queue_run(
    World w, int block, int64_t page, int64_t end, int64_t limit
) noexcept nogil:
    """Append pages from a dirty one on to the batch; return how many.

    -1 if the batch before them could not be handed over: the first of them is lost then.
    """
    cdef Senders *m = w.multifd
    cdef int64_t batched = m.normal + m.zero, sent, after
    cdef int64_t page_ns = m.costs.queue_page_ns + (m.costs.test_page_ns if w.detects() else 0)
    cdef int is_zero
    if batched > 0 and (m.block != block or batched == PAGES_PER_PACKET):
        if not hand_over(w):
            clear_bit(w.bmap, page)
            w.dirty_pages -= 1
            w.last_seen_block = block
            w.last_page = page + 1
            return -1
        batched, limit = 0, 1       # senders have gone on meanwhile: the budget may be used up
    if m.by_page and not w.content.is_zero(page):
        limit = 1
    limit = min(limit, PAGES_PER_PACKET - batched, pages_until(w, page_ns))
    sent = take(w.bmap, w.content.zero, page, end, limit, &after, &is_zero)
    w.dirty_pages -= sent
    w.last_seen_block = block
    w.last_page = after
    w.t += sent * page_ns
    m.block = block
    if is_zero:
        m.zero += sent
        return sent
    add(m, sent, w.content.class_of(page))
    return sent


cdef int64_t pages_until(World w, int64_t page_ns) noexcept nogil:
    """Return how many pages are done before a sender changes a counter; at least one."""
    cdef int64_t left_ns
    if w.multifd == NULL:
        return INT64_MAX
    left_ns = w.multifd.next_ns - w.t
    if left_ns <= 0:
        return 1
    return (left_ns - 1) // page_ns + 1 if page_ns > 0 else INT64_MAX


cdef void flush_and_sync(World w) noexcept nogil:
    """Send what is queued and let both sides meet (multifd_ram_flush_and_sync)."""
    if w.multifd == NULL or w.in_postcopy() or w.error:
        return
    sync(w)
    if not w.error and w.multifd.packets and not w.multifd.flush_after_each_section:
        put(w, FLUSH_WORD_BYTES)
        flush(w)


cdef bint end_of_sweep(World w) noexcept nogil:
    """Sync at each wrap of the list of blocks, unless sections do it (find_dirty_block).

    Returns False when the channels broke.
    """
    if w.multifd == NULL:
        return True
    if not w.multifd.flush_after_each_section:
        flush_and_sync(w)
    return not w.error


cdef void end_of_section(World w) noexcept nogil:
    """Sync at the end of each section: machine types up to 8.0."""
    if w.multifd != NULL and w.multifd.flush_after_each_section:
        flush_and_sync(w)
