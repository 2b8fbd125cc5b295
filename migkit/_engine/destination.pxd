# The destination of a postcopy migration: a guest that runs into missing pages.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void start(World w, int64_t listens_at, int64_t runs_at) noexcept nogil
cdef void advance(World w, int64_t until) noexcept nogil
cdef void say(World w, int64_t at, int64_t what) noexcept nogil
cdef void hear(World w) noexcept nogil
cdef void await_package(World w) noexcept nogil
cdef void note_page(World w, int64_t page) noexcept nogil
cdef void note_write(World w, int64_t last_at, int64_t service_ns) noexcept nogil
cdef void note_urgent(World w, int64_t at, int64_t page) noexcept nogil
cdef void acknowledge(World w) noexcept nogil
cdef void drop_in_flight(World w, int64_t cut) noexcept nogil
cdef void go_on(World w) noexcept nogil
