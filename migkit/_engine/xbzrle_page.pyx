"""Sending a page that may be in the cache of xbzrle (migration/ram.c save_xbzrle_page)."""

from libc.stdint cimport int64_t

from migkit._engine.page_cache cimport CachedPage
from migkit._engine.page_copy cimport Changes, encoded_bytes
from migkit._engine.page_record cimport header_bytes, put_page_record
from migkit._engine.stream cimport RECORD_HEADER_BYTES, count_ram_bytes, put
from migkit._engine.types cimport (
    EVENT_SAVE_XBZRLE_PAGE_OVERFLOW, EVENT_SAVE_XBZRLE_PAGE_SKIPPING, PAGE_BYTES,
)
from migkit._engine.world cimport World
from migkit._engine.xbzrle_rules cimport record_bytes


cdef bint active(World w) noexcept nogil:
    return w.xbzrle is not None and w.xbzrle.started and not w.in_postcopy()


cdef inline int64_t address_of(World w, int block, int64_t page) noexcept nogil:
    """Return a page's number in the guest's RAM addresses."""
    return w.xbzrle.ram_starts[block] + page - w.block_start[block]


cdef void save_zero_page(World w, int block, int64_t page) noexcept nogil:
    """Let the cache know of a zero page, so that no older copy stays (xbzrle_cache_zero_page)."""
    w.t += w.xbzrle.insert(address_of(w, block, page), w.dirty_sync_count, 0, w.writer.done())


cdef int64_t save_page(World w, int block, int64_t page) noexcept nogil:
    """Send a page with data, as a delta if the cache has it."""
    cdef CachedPage *entry = w.xbzrle.find(address_of(w, block, page), w.dirty_sync_count)
    cdef int64_t size
    if w.xbzrle.lost:
        w.out_of_memory()
    if entry == NULL:
        return save_miss(w, block, page)
    w.xbzrle.hits += 1
    w.t += w.xbzrle.hit_ns
    size = delta_bytes(w, entry, page)
    if size != 0 and not w.xbzrle.last_stage:
        w.xbzrle.copy(entry, w.content.data_bytes(page), w.writer.done())
        w.t += w.xbzrle.copy_ns
    if size == 0:
        w.emit(EVENT_SAVE_XBZRLE_PAGE_SKIPPING)
        return 0
    if size < 0:
        w.emit(EVENT_SAVE_XBZRLE_PAGE_OVERFLOW)
        w.xbzrle.overflows += 1
        w.xbzrle.encoded_bytes += PAGE_BYTES
        put_page_record(w, block, w.xbzrle.last_stage)
        return 1
    put_delta(w, block, size)
    return 1


cdef int64_t save_miss(World w, int block, int64_t page) noexcept nogil:
    """Send a page whole; until the last stage the cache takes it, and it is sent from there."""
    w.xbzrle.misses += 1
    if not w.xbzrle.last_stage:
        w.t += w.xbzrle.insert(
            address_of(w, block, page), w.dirty_sync_count, w.content.data_bytes(page),
            w.writer.done(),
        )
    put_page_record(w, block, w.xbzrle.last_stage)
    return 1


cdef int64_t delta_bytes(World w, CachedPage *entry, int64_t page) noexcept nogil:
    """Encode a page against its copy; return the size as `encoded_bytes` does."""
    cdef Changes changes
    changes.key = entry.key
    changes.fill_bytes = max(entry.data_bytes, w.content.data_bytes(page)) if entry.filled else 0
    changes.touched = entry.touched
    changes.places = entry.places
    changes.place_bytes = entry.place_bytes
    changes.copied_at = entry.copied_at
    changes.n_stores = entry.n_stores
    changes.stores = entry.stores
    return encoded_bytes(&changes, page, w.xbzrle.program)


cdef void put_delta(World w, int block, int64_t size) noexcept nogil:
    """Write the record of a delta and account it."""
    cdef int64_t count = record_bytes(header_bytes(w, block), size)
    w.batch_service_ns += w.xbzrle.record_ns
    w.xbzrle.encoded_bytes += count - RECORD_HEADER_BYTES
    count_ram_bytes(w, count)
    put(w, count)
