"""Records of pages on the main stream, and what they cost (migration/ram.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport release
from migkit._engine.stream cimport RECORD_HEADER_BYTES, count_ram_bytes, put, put_page
from migkit._engine.types cimport PAGE_BYTES
from migkit._engine.world cimport World


cdef int64_t header_bytes(World w, int block) noexcept nogil:
    """Return the size of the next record's header: a block other than the last one is named."""
    if block == w.last_sent_block:
        return RECORD_HEADER_BYTES
    w.last_sent_block = block
    return RECORD_HEADER_BYTES + 1 + w.block_name_bytes[block]


cdef void put_zero_record(World w, int block) noexcept nogil:
    """Write the record of a zero page and account it (save_zero_page)."""
    cdef int64_t header = header_bytes(w, block)
    w.t += w.host.zero_page_ns
    w.batch_service_ns += zero_page_service_ns(w)
    w.zero_pages += 1
    count_ram_bytes(w, header + 1)
    put(w, header + 1)
    release.sent(w)


cdef void put_page_record(World w, int block, bint by_reference) noexcept nogil:
    """Write the record of a page with data and account it (save_normal_page)."""
    cdef int64_t header = header_bytes(w, block)
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


cdef int64_t page_cost_ns(World w) noexcept nogil:
    """Return what the source needs for a page; after the first sweep they lie scattered."""
    if w.in_postcopy():
        return w.incoming.costs.page_ns
    return w.host.sparse_page_ns if w.swept else w.host.normal_page_ns


cdef int64_t page_service_ns(World w) noexcept nogil:
    """Return what the destination needs to place a page; its first touch of memory is dear."""
    if w.in_postcopy():
        return w.host.place_page_ns
    return w.host.destination_page_ns if w.swept else w.host.first_touch_page_ns


cdef int64_t zero_page_service_ns(World w) noexcept nogil:
    """Return what the destination needs for a zero page; in postcopy each is put in place."""
    if w.in_postcopy():
        return w.incoming.costs.place_zero_page_ns
    return w.host.destination_zero_page_ns
