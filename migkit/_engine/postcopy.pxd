# Going over to postcopy, pausing it, recovering it.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void start(World w) noexcept nogil
cdef void leave_device_state(World w, int64_t pending) noexcept nogil
cdef bint pause(World w) noexcept nogil
