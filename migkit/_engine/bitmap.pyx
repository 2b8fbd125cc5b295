"""Bitmaps of guest pages: what the engine reads and changes most, a word of 64 pages at a time."""

import cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from migkit._engine.words cimport clear_words, count_words, merge_words

from migkit.errors import InputError

cdef extern from *:
    int popcount "__builtin_popcountll"(uint64_t word) noexcept nogil

cdef uint64_t ALL = 0xFFFFFFFFFFFFFFFFULL


cdef int64_t count(const uint64_t *bits, int64_t n_words) noexcept nogil:
    return count_words(bits, n_words)


cdef int64_t merge_log(uint64_t *bmap, uint64_t *log, int64_t n_words) noexcept nogil:
    return merge_words(bmap, log, n_words)


cdef inline uint64_t from_bit(int64_t page) noexcept nogil:
    """Return the mask of a page and those after it in its word."""
    return ALL << (page & 63)


cdef inline uint64_t to_bit(int64_t page) noexcept nogil:
    """Return the mask of a page and those before it in its word."""
    return ALL >> (63 - (page & 63))


cdef inline void fill(uint64_t *bits, int64_t start, int64_t end, uint64_t value) noexcept nogil:
    """Give the bits of [start, end) the bits of a word that is all zeros or all ones."""
    cdef int64_t first = start >> 6, last = (end - 1) >> 6
    cdef uint64_t head = from_bit(start), tail = to_bit(end - 1)
    if start >= end:
        return
    if first == last:
        head = tail = head & tail
    else:
        memset(bits + first + 1, value & 0xFF, <size_t>(last - first - 1) * sizeof(uint64_t))
    bits[first] = (bits[first] & ~head) | (value & head)
    bits[last] = (bits[last] & ~tail) | (value & tail)


cdef void set_range(uint64_t *bits, int64_t start, int64_t end) noexcept nogil:
    fill(bits, start, end, ALL)


cdef void clear_range(uint64_t *bits, int64_t start, int64_t end) noexcept nogil:
    fill(bits, start, end, 0)


cdef inline int64_t find_next(const uint64_t *bits, uint64_t flip, int64_t start,
                              int64_t end) noexcept nogil:
    """First page in [start, end) whose bit is set once the word is xored with `flip`."""
    cdef int64_t index = start >> 6, last = (end - 1) >> 6
    cdef uint64_t word
    if start >= end:
        return end
    word = (bits[index] ^ flip) & from_bit(start)
    while word == 0:
        index += 1
        if index > last:
            return end
        word = bits[index] ^ flip
    return min((index << 6) + lowest_bit(word), end)


cdef int64_t find_next_set(const uint64_t *bits, int64_t start, int64_t end) noexcept nogil:
    return find_next(bits, 0, start, end)


cdef int64_t find_next_clear(const uint64_t *bits, int64_t start, int64_t end) noexcept nogil:
    return find_next(bits, ALL, start, end)


cdef int64_t count_runs(const uint64_t *bits, int64_t n_pages) noexcept nogil:
    cdef int64_t index, runs = 0, n_words = words_for(n_pages)
    cdef uint64_t word, before = 0
    for index in range(n_words):
        word = bits[index]
        if index == n_words - 1:
            word &= to_bit(n_pages - 1)
        # A run begins at a set bit whose lower neighbour is clear.
        runs += popcount(word & ~(word << 1 | before))
        before = word >> 63
    return runs


cdef bint next_run(const uint64_t *bits, int64_t start, int64_t end,
                   int64_t *first, int64_t *after) noexcept nogil:
    first[0] = find_next_set(bits, start, end)
    after[0] = find_next_clear(bits, first[0], end)
    return first[0] < end


cdef inline uint64_t lowest_bits(uint64_t word, int64_t n_bits) noexcept nogil:
    """Return the lowest `n_bits` set bits of a word that has more."""
    cdef uint64_t rest = word
    if word == ALL:
        return (1ULL << n_bits) - 1
    for _ in range(n_bits):
        rest &= rest - 1
    return word & ~rest


cdef int64_t take(uint64_t *bits, const uint64_t *zero_class, int64_t start, int64_t end,
                  int64_t want, int64_t *next_page, int *is_zero) noexcept nogil:
    cdef int64_t page = find_next_set(bits, start, end)
    cdef int64_t index = page >> 6, last = (end - 1) >> 6, taken = 0, here
    cdef uint64_t word, others, keep = from_bit(page), zero_flip
    next_page[0] = end
    is_zero[0] = 0
    if page >= end or want <= 0:
        return 0
    if zero_class != NULL:
        is_zero[0] = test(zero_class, page)
    zero_flip = ALL if is_zero[0] else 0
    while index <= last and taken < want:
        if index == last:
            keep &= to_bit(end - 1)
        word = bits[index] & keep
        others = 0 if zero_class == NULL else word & (zero_class[index] ^ zero_flip)
        if others != 0:
            word &= (others & -others) - 1
        if word != 0:
            here = 64 if word == ALL else popcount(word)
            if here > want - taken:
                here = want - taken
                word = lowest_bits(word, here)
            bits[index] &= ~word
            taken += here
            next_page[0] = (index << 6) + highest_bit(word) + 1
        if others != 0:
            break
        index += 1
        keep = ALL
        taken += clear_words(bits, zero_class, zero_flip, &index, last, want - taken, next_page)
    return taken


@cython.final
cdef class Bitmap:
    """Bitmap(n_pages)

    A bitmap of `n_pages` (1 or more) guest pages, all clear at first, in n_pages / 8 bytes.

    It owns its memory and belongs to one thread at a time: nothing is locked. Pages outside, or
    bitmaps of two sizes, raise InputError.

    Examples
    --------
    >>> dirty = Bitmap(100)
    >>> dirty.set_range(60, 70)
    >>> dirty.count(), dirty.runs(), dirty.nbytes
    (10, [(60, 70)], 16)
    """

    def __cinit__(self, n_pages):
        if not 1 <= n_pages < 1 << 56:
            raise InputError.of(f"bitmap of {n_pages} pages", "allowed 1 or more", "give pages")
        self.n_pages = n_pages
        self.bits = <uint64_t *>calloc(words_for(self.n_pages), sizeof(uint64_t))
        if self.bits == NULL:
            raise MemoryError(f"no memory for a bitmap of {n_pages} pages")

    def __dealloc__(self):
        free(self.bits)

    cdef int64_t _checked(self, page) except -1:
        if not 0 <= page < self.n_pages:
            raise InputError.of(f"page {page}", f"allowed 0..{self.n_pages - 1}", "give a page")
        return page

    cdef tuple _range(self, start, end):
        end = self.n_pages if end is None else end
        if not 0 <= start <= end <= self.n_pages:
            found = f"allowed 0..{self.n_pages} in order"
            raise InputError.of(f"pages {start} to {end}", found, "give a range")
        return start, end

    cdef void _same_size(self, Bitmap other) except *:
        if other.n_pages != self.n_pages:
            sizes = f"bitmaps of {self.n_pages} and {other.n_pages} pages"
            raise InputError.of(sizes, "not of one size", "give bitmaps of the same guest")

    def __contains__(self, page):
        return 0 <= page < self.n_pages and test(self.bits, page)

    @property
    def nbytes(self):
        """Bytes the bits take."""
        return words_for(self.n_pages) * <int64_t>sizeof(uint64_t)

    def add(self, page):
        """Set the bit of a page."""
        set_bit(self.bits, self._checked(page))

    def discard(self, page):
        """Clear the bit of a page."""
        clear_bit(self.bits, self._checked(page))

    def set_range(self, start, end):
        """Set the bits of pages `start` to `end` - 1."""
        start, end = self._range(start, end)
        set_range(self.bits, start, end)

    def clear_range(self, start, end):
        """Clear the bits of pages `start` to `end` - 1."""
        start, end = self._range(start, end)
        clear_range(self.bits, start, end)

    def count(self):
        """Count the set bits."""
        return count(self.bits, words_for(self.n_pages))

    def find_next_set(self, start=0, end=None):
        """Return the first set page of a range, the range's end if there is none."""
        start, end = self._range(start, end)
        return find_next_set(self.bits, start, end)

    def pages(self):
        """List the set pages."""
        return [page for first, after in self.runs() for page in range(first, after)]

    def runs(self, start=0, end=None):
        """List the runs of set bits of a range: (first page, page after the last)."""
        cdef int64_t first, after
        found = []
        start, end = self._range(start, end)
        while next_run(self.bits, start, end, &first, &after):
            found.append((first, after))
            start = after
        return found

    def count_runs(self):
        """Count the runs of set bits."""
        return count_runs(self.bits, self.n_pages)

    def merge_log(self, Bitmap log not None):
        """Take over the bits of `log`, which is clear afterwards; return how many are new."""
        self._same_size(log)
        return merge_log(self.bits, log.bits, words_for(self.n_pages))

    def take(self, Bitmap zero_class, start, end, want):
        """Clear up to `want` set bits of one class of a range.

        `zero_class` is set where a page is of class 1; None is class 0 for all. Returns how many
        were cleared, the page after the last (`end` if none), and their class.
        """
        cdef int64_t next_page
        cdef int is_zero
        cdef const uint64_t *classes = NULL
        start, end = self._range(start, end)
        if zero_class is not None:
            self._same_size(zero_class)
            classes = zero_class.bits
        taken = take(self.bits, classes, start, end, want, &next_page, &is_zero)
        return taken, next_page, is_zero
