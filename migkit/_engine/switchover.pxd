# Stopping the guest and sending the last of it.

from libc.stdint cimport int64_t

from migkit._engine.types cimport Checkpoint
from migkit._engine.world cimport World

cdef void checkpoint(World w, Checkpoint which) noexcept nogil
cdef void stop_vm(World w) noexcept nogil
cdef bint switchover_start(World w) noexcept nogil
cdef void complete_precopy(World w) noexcept nogil
cdef void complete_postcopy(World w) noexcept nogil
cdef int64_t downtime_start_ms(World w) noexcept nogil
cdef void fail(World w) noexcept nogil
