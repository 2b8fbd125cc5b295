# The guest's writes one by one, where their cost counts; see migkit.oracle.execution.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void begin(World w) noexcept nogil
cdef void run(World w) noexcept nogil
cdef int64_t sleeping_ns(World w) noexcept nogil
