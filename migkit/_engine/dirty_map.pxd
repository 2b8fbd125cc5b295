# A bitmap with a mark for each chunk of 512 pages, the 64 bytes of a cache line: where no mark is,
# no bit is set. So a sweep over an idle terabyte reads half a megabyte instead of 32.
#
# Whoever sets bits does so by `dirty` and `dirty_range`, which mark and count, or marks by
# `mark_all`. Clearing bits leaves the marks; `find_next_dirty` takes back those it finds empty.

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    CHUNK_SHIFT = 9
    CHUNK_PAGES = 1 << CHUNK_SHIFT


cdef struct DirtyMap:
    uint64_t *bits      # belongs to whoever made it
    uint8_t *marks
    int64_t pages
    int64_t fresh       # bits that were set and had been clear; whoever reads it sets it to 0


cdef inline int64_t chunk_of(int64_t page) noexcept nogil:
    return page >> CHUNK_SHIFT


cdef inline int64_t chunks_for(int64_t pages) noexcept nogil:
    return (pages + CHUNK_PAGES - 1) >> CHUNK_SHIFT


cdef inline void dirty(DirtyMap *map, int64_t page) noexcept nogil:
    """Set the bit of a page."""
    cdef uint64_t word = map.bits[page >> 6]
    map.fresh += 1 ^ (word >> (page & 63) & 1)
    map.bits[page >> 6] = word | 1ULL << (page & 63)
    map.marks[page >> CHUNK_SHIFT] = 1


# Give a map of `pages` pages its marks, none set; -1 = no memory.
cdef int take_marks(DirtyMap *map, uint64_t *bits, int64_t pages) noexcept nogil
cdef void free_marks(DirtyMap *map) noexcept nogil

cdef void dirty_range(DirtyMap *map, int64_t start, int64_t end) noexcept nogil
cdef void mark_all(DirtyMap *map) noexcept nogil

# Move the bits of `log` into `map` (dirty sync) and count the fresh ones; `log` is clear then.
cdef void merge(DirtyMap *map, DirtyMap *log) noexcept nogil

# First chunk with a mark at or after `chunk`, `end` if there is none.
cdef int64_t next_marked(const DirtyMap *map, int64_t chunk, int64_t end) noexcept nogil

# First set bit at or after `start`, `end` if there is none.
cdef int64_t find_next_dirty(DirtyMap *map, int64_t start, int64_t end) noexcept nogil

# How far it pays to read on from a dirty page: to the next chunk if that is clean, else to `end`.
cdef int64_t end_of_stretch(const DirtyMap *map, int64_t page, int64_t end) noexcept nogil
