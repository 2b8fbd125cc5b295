# Capability dirty-limit: a limit for each vCPU's dirty rate; see migkit.oracle.dirty_limit.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void engage(World w) noexcept nogil
cdef void measure(World w, int64_t now) noexcept nogil
cdef int64_t throttle_time_us(World w) noexcept nogil
cdef int64_t ring_full_time_us(World w) noexcept nogil
