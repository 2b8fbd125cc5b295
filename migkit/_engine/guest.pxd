# The guest on the source: how far its program has come, and what it dirtied on the way.

from migkit._engine.world cimport World

cdef void advance(World w) noexcept nogil
cdef void stop(World w) noexcept nogil
cdef void resume(World w) noexcept nogil
