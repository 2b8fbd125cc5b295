"""Rules of xbzrle that decide something (migration/page_cache.c, ram.c)."""

from libc.stdint cimport int64_t

cdef enum:
    LIFETIME = 2

CACHED_PAGE_LIFETIME = LIFETIME


cpdef int64_t cache_position(int64_t address, int64_t cache_pages) noexcept nogil:
    """Return the entry of a page: the cache is direct mapped, of a power of two of pages."""
    return address & (cache_pages - 1)


cpdef bint replaceable(int64_t age, int64_t generation) noexcept nogil:
    """Whether another page may take an entry that was last touched at sync `age`."""
    return age <= generation - LIFETIME


cpdef int64_t record_bytes(int64_t header_bytes, int64_t encoded_bytes) noexcept nogil:
    """Return the size of a record: header, a flag, the length in two bytes, the delta."""
    return header_bytes + 3 + encoded_bytes


cpdef double cache_miss_rate(int64_t misses, int64_t pages, double last) noexcept nogil:
    """Return misses a page sent in a period; without pages the rate stays what it was."""
    return <double> misses / <double> pages if pages else last


cpdef double encoding_rate(
    int64_t hits, int64_t encoded_bytes, int64_t pages, double last,
) noexcept nogil:
    """Return by how much a period's hits shrank; without pages sent it stays what it was."""
    if not pages:
        return last
    return <double> (hits * 4096) / <double> encoded_bytes if hits and encoded_bytes else 0.0
