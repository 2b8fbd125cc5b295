# What is in each page of the source's guest now: its class. Class 0 is a page of zeros and has a
# bitmap; the numbers of the others are told by planes of one bit a page, as many as are needed.

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    MOST_PLANES = 5
    MOST_CONTENTS = 1 << MOST_PLANES
    MOST_OUTCOMES = 8

cdef enum ChangeKind:       # positions in migkit.guest.writes.CHANGES
    CHANGE_FILL = 0
    CHANGE_DELTA = 1
    CHANGE_COUNT = 2

# What one write does to its page.
cdef struct Outcome:
    int64_t kind
    int64_t new_class
    int64_t places
    int64_t place_bytes

cdef struct Outcomes:
    uint64_t key
    int count
    uint64_t limits[MOST_OUTCOMES]
    Outcome outcomes[MOST_OUTCOMES]


cdef class PageContent:
    cdef uint64_t *zero             # the pages of zeros
    cdef uint64_t *planes[MOST_PLANES]
    cdef int n_planes, n_sources
    cdef int64_t class_bytes[MOST_CONTENTS]
    cdef int64_t sparse_class
    cdef Outcomes *sources          # of each program's writes
    cdef bint moves                 # whether a write may change the class of a page

    cdef bint is_zero(self, int64_t page) noexcept nogil
    cdef int64_t class_of(self, int64_t page) noexcept nogil

    # How many bytes of a page cannot be compressed now; 0 is a page of zeros.
    cdef int64_t data_bytes(self, int64_t page) noexcept nogil

    # Write `number` of program `source` changes a page.
    cdef Outcome *write(self, int64_t page, int source, uint64_t number) noexcept nogil
    cdef void touch(self, int64_t page) noexcept nogil
    cdef void set_class(self, int64_t page, int64_t to) noexcept nogil
    cdef void assign(self, int64_t start, int64_t end, int64_t to) noexcept nogil

cdef PageContent make_content(plan)
