# Passes of the migration thread's loop: what one did, for the recording.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef struct Pass:
    int64_t started_ns
    int64_t state
    bint in_postcopy
    int64_t transferred
    int64_t normal_pages
    int64_t zero_pages

cdef Pass begin(World w) noexcept nogil
cdef void record(World w, const Pass *began, int64_t estimate, int64_t exact, int64_t threshold,
                 int64_t decision) noexcept nogil
