# Many writes at once: what a pass does between two things that could change its course.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef enum:
    CLOCK_STEPS = 64        # a pass reads the clock at every 64th page
    WRITE_PAGES = 32        # that fill the vector of 64 entries

# Send dirty pages with data from `page` on, which is one, in as many whole writes as surely come
# one after the other: of the block whose name was sent last, in precopy. A page takes `page_ns`
# here and `place_ns` at the destination. Returns how many pages went out, 0 if it has to go write
# by write.
#
# After `to_check` pages, and every `CLOCK_STEPS` from there, the pass looks whether its time since
# `pass_began` is over; -1 = it does not look.
cdef int64_t save_burst(
    World w, int64_t page, int64_t end, int64_t page_ns, int64_t place_ns, int64_t to_check,
    int64_t pass_began,
) noexcept nogil
