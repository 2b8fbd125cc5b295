# The guest's writes to memory that a background snapshot has not saved yet.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void start(World w) noexcept nogil
cdef int64_t poll_fault(World w) noexcept nogil
cdef void unprotect(World w, int64_t page) noexcept nogil
