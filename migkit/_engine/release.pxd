# Memory that the source gives back in postcopy (release-ram).

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void put_page(World w) noexcept nogil
cdef void written(World w) noexcept nogil
cdef void sent(World w) noexcept nogil
cdef int64_t by_other_thread(World w) noexcept nogil
cdef void at_switch(World w) noexcept nogil
