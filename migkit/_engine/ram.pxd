# RAM: which page next, and what its record costs.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef enum:
    END_OF_SECTION_BYTES = 8

cdef int64_t iterate(World w) noexcept nogil
cdef void complete(World w) noexcept nogil
