# Faults of the destination's vCPUs, from the write that runs into one to the request.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef enum:                  # cells of a row of the table of faults
    PAGE = 0
    FAULT_NS = 1
    REQUEST_NS = 2
    SENT_NS = 3
    PLACED_NS = 4
    VCPU = 5

cdef inline int64_t *cell(World w, int64_t row, int column) noexcept nogil:
    return w.faults.cells + row * w.faults.columns + column

cdef void find_next_write(World w) noexcept nogil
cdef void write(World w) noexcept nogil
cdef void see(World w, int64_t at) noexcept nogil
cdef void repeat_requests(World w) noexcept nogil
cdef int block_of(World w, int64_t page) noexcept nogil
cdef void take_requests(World w) noexcept nogil
cdef int64_t next_request(World w) noexcept nogil
cdef void announce(World w, int64_t row, int64_t at) noexcept nogil
