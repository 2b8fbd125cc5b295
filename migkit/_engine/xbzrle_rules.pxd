# Rules of xbzrle that decide something; the plain-Python equals are migkit.oracle.xbzrle_rules.

from libc.stdint cimport int64_t

cpdef int64_t cache_position(int64_t address, int64_t cache_pages) noexcept nogil
cpdef bint replaceable(int64_t age, int64_t generation) noexcept nogil
cpdef int64_t record_bytes(int64_t header_bytes, int64_t encoded_bytes) noexcept nogil
cpdef double cache_miss_rate(int64_t misses, int64_t pages, double last) noexcept nogil
cpdef double encoding_rate(
    int64_t hits, int64_t encoded_bytes, int64_t pages, double last,
) noexcept nogil
