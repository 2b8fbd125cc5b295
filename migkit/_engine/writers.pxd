# The guest's writes. Times are nanoseconds of guest time since migration began; pages count from
# the start of guest memory. A Writer belongs to one thread at a time.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.dirty_map cimport DirtyMap
from migkit._engine.programs cimport Program


cdef class Writer:
    cdef Program program
    cdef int64_t lead_ns
    cdef list failures
    cdef list kept                      # Python objects that the program points to
    cdef readonly int64_t end_page      # no write is at this page or after it
    cdef int64_t before                 # writes made before migration began

    # Dirty the pages of all writes up to and including `guest_ns`; `log` has `end_page` or more.
    # True = it gave up (a callback failed, Ctrl-C): no more is to be expected, see `failure`.
    cdef bint advance(self, int64_t guest_ns, DirtyMap *log) noexcept nogil

    # Next write, False if there is none: ever, or up to and including `until_ns`. `pop` takes it.
    cdef bint peek(self, int64_t *guest_ns, int64_t *page) noexcept nogil
    cdef bint peek_until(self, int64_t until_ns, int64_t *guest_ns, int64_t *page) noexcept nogil
    cdef void pop(self) noexcept nogil

    # Number of the next write, from 0 when migration began: which vCPU makes it.
    cdef int64_t next_number(self) noexcept nogil

    # Phase (or 0) and number of the write that was looked at last; its program's first is 1.
    cdef int write_source(self) noexcept nogil
    cdef uint64_t write_number(self) noexcept nogil

    # How many of the program's writes are over, those before migration among them.
    cdef int64_t done(self) noexcept nogil

    # Whether a callback failed: no more writes are to be expected.
    cdef bint failed(self) noexcept nogil
