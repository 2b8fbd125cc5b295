# Records of pages on the main stream, and what they cost.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef int64_t header_bytes(World w, int block) noexcept nogil
cdef void put_zero_record(World w, int block) noexcept nogil
cdef void put_page_record(World w, int block, bint by_reference) noexcept nogil
cdef int64_t page_cost_ns(World w) noexcept nogil
cdef int64_t page_service_ns(World w) noexcept nogil
cdef int64_t zero_page_service_ns(World w) noexcept nogil
