from migkit._engine.world cimport World

cdef void rate_limit(World w) noexcept nogil
cdef void update_counters(World w) noexcept nogil
cdef void reset_window(World w) noexcept nogil
