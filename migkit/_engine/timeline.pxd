# What a user or a mishap does while the migration runs.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void apply(World w) noexcept nogil
cdef int64_t cut_before(World w, int64_t limit) noexcept nogil
cdef int64_t next_moment(World w) noexcept nogil
cdef void answer_the_rest(World w) noexcept nogil
cdef void look_for_detection(World w) noexcept nogil
cdef bint destination_error_before(World w, int64_t limit) noexcept nogil


cdef inline void look(World w) noexcept nogil:
    """Look before a page whether somebody has changed who looks for zero pages."""
    if w.detection_changes > 0:
        look_for_detection(w)
