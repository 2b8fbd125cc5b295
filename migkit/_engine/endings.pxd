from libc.stdint cimport int64_t

from migkit._engine.types cimport Checkpoint
from migkit._engine.world cimport World

cdef void checkpoint(World w, Checkpoint which) noexcept nogil
cdef void take_lock(World w) noexcept nogil
cdef void release_lock(World w) noexcept nogil
cdef void finish(World w) noexcept nogil
cdef int64_t downtime_start_ms(World w) noexcept nogil
cdef void fail(World w) noexcept nogil
cdef void destination_is(World w, int64_t state, int64_t run_state) noexcept nogil
