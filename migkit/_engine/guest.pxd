# The guest on the source: how far its program has come, and what it dirtied on the way.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void advance(World w) noexcept nogil
cdef void write_through(World w) noexcept nogil
cdef void stop(World w) noexcept nogil
cdef void resume(World w) noexcept nogil
