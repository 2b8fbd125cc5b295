# Postcopy's second channel: requested pages go out at once.

from migkit._engine.world cimport World

cdef bint open_channel(World w) noexcept nogil
cdef void serve(World w) noexcept nogil
