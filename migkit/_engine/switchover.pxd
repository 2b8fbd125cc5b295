# Stopping the guest and sending the last of it.

from migkit._engine.world cimport World

cdef void stop_vm(World w) noexcept nogil
cdef bint switchover_start(World w) noexcept nogil
cdef void complete_precopy(World w) noexcept nogil
cdef void complete_postcopy(World w) noexcept nogil
