# Pages at their own places in a file.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void begin(World w, int block) noexcept nogil
cdef int64_t queue_for_file(World w, int block, int64_t page) noexcept nogil
cdef int64_t save_page(World w, int block, int64_t page) noexcept nogil
cdef void write_bitmaps(World w) noexcept nogil
