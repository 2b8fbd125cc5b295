# The destination of a postcopy migration: a guest that runs into missing pages.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void start(World w, int64_t runs_at) noexcept nogil
cdef void advance(World w, int64_t until) noexcept nogil
cdef void note_page(World w, int64_t page) noexcept nogil
cdef void note_write(World w, int64_t arrives) noexcept nogil
cdef void take_requests(World w) noexcept nogil
cdef int64_t pop_request(World w) noexcept nogil
cdef void note_urgent(World w, int64_t arrives, int64_t page) noexcept nogil
cdef int64_t next_request(World w) noexcept nogil
cdef void ask_again(World w) noexcept nogil
cdef int block_of(World w, int64_t page) noexcept nogil
cdef void drop_in_flight(World w, int64_t cut) noexcept nogil
