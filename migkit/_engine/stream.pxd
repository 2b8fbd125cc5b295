# QEMU's buffered stream and what lies behind it: the socket, the link, the destination.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef enum:
    BUFFER_BYTES = 32768
    VECTOR_ENTRIES = 64
    ACK_BYTES = 4
    RECORD_HEADER_BYTES = 8

cdef void put(World w, int64_t count) noexcept nogil
cdef void put_page(World w) noexcept nogil
cdef int64_t pages_to_flush(World w) noexcept nogil
cdef void put_pages(World w, int64_t pages, int64_t header_bytes) noexcept nogil
cdef int64_t records_to_flush(World w, int64_t record_bytes) noexcept nogil
cdef void put_records(World w, int64_t records, int64_t record_bytes) noexcept nogil
cdef void flush(World w) noexcept nogil
cdef void go_on_in_file(World w, int64_t count) noexcept nogil
cdef int64_t cache_ns(World w) noexcept nogil
cdef void write_at(World w, int64_t count, int64_t offset) noexcept nogil
cdef void count_ram_bytes(World w, int64_t count) noexcept nogil
cdef bint over_budget(World w) noexcept nogil
