from libc.stdint cimport int64_t, uint64_t

from migkit._engine.world cimport TimelineItem, World

cpdef int64_t retransmission_ns(
    int64_t packets, int64_t round_trip_ns, int64_t timeout_ns
) noexcept nogil
cpdef bint message_lost(int64_t packets, int64_t loss, uint64_t number) noexcept nogil
cdef int64_t round_trip_ns(World w) noexcept nogil
cdef int64_t arrival(World w, int channel, int64_t sent, int64_t count) noexcept nogil
cdef void change(World w, int64_t at, TimelineItem *item) noexcept nogil
cdef void reset(World w) noexcept nogil
