from libc.stdint cimport int64_t

from migkit._engine.handlers cimport Handler
from migkit._engine.world cimport World

cdef int64_t setup_bytes(World w, Handler *h) noexcept nogil
cdef void pending(World w, bint exact, int64_t *must, int64_t *can) noexcept nogil
cdef bint iterates(World w, Handler *h) noexcept nogil
cdef int64_t iterate(World w, Handler *h) noexcept nogil
cdef int64_t complete(World w, Handler *h) noexcept nogil
cdef bint completes(World w, Handler *h) noexcept nogil
cdef int64_t config_bytes(Handler *h) noexcept nogil
