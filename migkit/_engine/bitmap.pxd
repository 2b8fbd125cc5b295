# One bit a guest page, 64 pages a word: the first page of a word is its lowest bit. Ranges are
# [start, end) in pages. Nothing here checks its arguments; `Bitmap`, for Python, does.
#
# Words are found by shifts: division by an enum constant would not be folded into one.

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #define migkit_lowest_bit(word) ((int64_t)__builtin_ctzll(word))
    #define migkit_highest_bit(word) ((int64_t)(63 - __builtin_clzll(word)))
    """
    int64_t lowest_bit "migkit_lowest_bit"(uint64_t word) noexcept nogil
    int64_t highest_bit "migkit_highest_bit"(uint64_t word) noexcept nogil


cdef inline int64_t words_for(int64_t n_pages) noexcept nogil:
    """Words that hold `n_pages` bits."""
    return (n_pages + 63) >> 6


cdef inline bint test(const uint64_t *bits, int64_t page) noexcept nogil:
    return (bits[page >> 6] >> (page & 63)) & 1


cdef inline void set_bit(uint64_t *bits, int64_t page) noexcept nogil:
    bits[page >> 6] |= 1ULL << (page & 63)


cdef inline void clear_bit(uint64_t *bits, int64_t page) noexcept nogil:
    bits[page >> 6] &= ~(1ULL << (page & 63))


cdef void set_range(uint64_t *bits, int64_t start, int64_t end) noexcept nogil
cdef void clear_range(uint64_t *bits, int64_t start, int64_t end) noexcept nogil

# Set bits in whole words.
cdef int64_t count(const uint64_t *bits, int64_t n_words) noexcept nogil

# First set (clear) bit at or after `start`, `end` if there is none.
cdef int64_t find_next_set(const uint64_t *bits, int64_t start, int64_t end) noexcept nogil
cdef int64_t find_next_clear(const uint64_t *bits, int64_t start, int64_t end) noexcept nogil

# Maximal runs of set bits: how many in [0, n_pages), and the next one of a range, cut by its end.
cdef int64_t count_runs(const uint64_t *bits, int64_t n_pages) noexcept nogil
cdef bint next_run(const uint64_t *bits, int64_t start, int64_t end,
                   int64_t *first, int64_t *after) noexcept nogil

# Move `log` into `bmap` (dirty sync); gives the bits that `bmap` did not have, clears `log`.
cdef int64_t merge_log(uint64_t *bmap, uint64_t *log, int64_t n_words) noexcept nogil

# Clear up to `want` set bits of one class from the first one at or after `start` on: clear bits
# in between are passed over, a set bit of the other class or `end` stops it. Gives how many were
# cleared, the page after the last of them (`end` if none), and their class: 1 where `zero_class`
# is set. `zero_class` may be NULL: all pages are of class 0.
cdef int64_t take(uint64_t *bits, const uint64_t *zero_class, int64_t start, int64_t end,
                  int64_t want, int64_t *next_page, int *is_zero) noexcept nogil


cdef class Bitmap:
    cdef uint64_t *bits
    cdef readonly int64_t n_pages
    cdef int64_t _checked(self, page) except -1
    cdef tuple _range(self, start, end)
    cdef void _same_size(self, Bitmap other) except *
