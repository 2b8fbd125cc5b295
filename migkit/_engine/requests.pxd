# What the destination has asked for, as the migration thread finds it.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef bint requested(World w) noexcept nogil
cdef int64_t requested_page(World w) noexcept nogil
