# The migration thread and multifd's sender threads: counting, handing over, waiting, syncing.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef void open_channels(World w) noexcept nogil
cdef void count_senders(World w) noexcept nogil
cdef bint hand_over(World w) noexcept nogil
cdef void sync(World w) noexcept nogil


cdef inline void settle(World w) noexcept nogil:
    """Count what the senders have prepared and written by now, at the moments QEMU counts it."""
    if w.multifd != NULL and w.t >= w.multifd.next_ns:
        count_senders(w)
