# Sending a page that may be in the cache of xbzrle.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

# Whether pages go through the cache: from the second sweep on, and not in postcopy.
cdef bint active(World w) noexcept nogil
cdef void save_zero_page(World w, int block, int64_t page) noexcept nogil

# Pages sent: 0 when it is as it was.
cdef int64_t save_page(World w, int block, int64_t page) noexcept nogil
