"""Fetching and clearing the dirty log, 64 pages at a time."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from migkit._engine.bitmap cimport clear_range, set_range, words_for
from migkit._engine.dirty_map cimport (
    CHUNK_PAGES, CHUNK_SHIFT, DirtyMap, chunks_for, merge, next_marked,
)
from migkit._engine.types cimport BITS_PER_WORD
from migkit._engine.words cimport copy_words, drop_words

cdef extern from *:
    int popcount "__builtin_popcountll"(uint64_t word) noexcept nogil

cdef uint64_t ALL = 0xFFFFFFFFFFFFFFFFULL


cdef int lay_out_chunks(DirtyLog *log, const int64_t *block_start, int blocks) except -1:
    cdef int64_t pages, size = 1LL << log.clear_shift
    cdef int block
    log.first_chunk = <int64_t *> calloc(blocks + 1, sizeof(int64_t))
    if log.first_chunk == NULL:
        raise MemoryError
    for block in range(blocks):
        pages = block_start[block + 1] - block_start[block]
        log.first_chunk[block + 1] = log.first_chunk[block] + (pages + size - 1) // size
    log.chunks = <uint64_t *> calloc(words_for(log.first_chunk[blocks]) + 1, sizeof(uint64_t))
    if log.chunks == NULL:
        raise MemoryError
    return 0


cdef void free_log(DirtyLog *log) noexcept:
    free(log.fetched)
    free(log.in_rings)
    free(log.chunks)
    free(log.first_chunk)


cdef int64_t fetch(DirtyLog *log, DirtyMap *map, DirtyMap *bits, const int64_t *block_start,
                   int blocks) noexcept nogil:
    cdef int64_t fresh
    cdef int block
    if log.mode == LOG_MANUAL_PROTECT:
        copy_log(log, map, bits)
    elif bits.fresh > 0:
        merge(map, bits)
    fresh = map.fresh
    map.fresh = 0
    # Blocks that are no whole words go page by page, each page found is cleared at once.
    for block in range(blocks):
        if (block_start[block + 1] - block_start[block]) & (BITS_PER_WORD - 1) == 0:
            set_range(log.chunks, log.first_chunk[block], log.first_chunk[block + 1])
        elif log.mode == LOG_MANUAL_PROTECT:
            clear_range(bits.bits, block_start[block], block_start[block + 1])
            clear_range(log.fetched, block_start[block], block_start[block + 1])
    return fresh


cdef void copy_log(DirtyLog *log, DirtyMap *map, DirtyMap *bits) noexcept nogil:
    """Add the log to the bitmap and remember it as fetched; take marks off that have no bit."""
    cdef int64_t chunk = 0, end = chunks_for(bits.pages), first, n_words = words_for(bits.pages)
    cdef int found
    while True:
        chunk = next_marked(bits, chunk, end)
        if chunk == end:
            return
        first = chunk << CHUNK_SHIFT - 6
        map.fresh += copy_words(map.bits + first, bits.bits + first, log.fetched + first,
                                min(CHUNK_PAGES >> 6, n_words - first), &found)
        if found:
            map.marks[chunk] = 1
        else:
            bits.marks[chunk] = 0
        chunk += 1


cdef inline int64_t drop(uint64_t *bits, uint64_t *fetched, uint64_t mask) noexcept nogil:
    """Clear the fetched bits of a part of a word."""
    cdef uint64_t here = fetched[0] & mask
    bits[0] &= ~here
    fetched[0] &= ~here
    return popcount(here)


cdef int64_t clear_fetched(DirtyLog *log, uint64_t *bits, int64_t first,
                           int64_t after) noexcept nogil:
    cdef int64_t head = first >> 6, tail = (after - 1) >> 6, dropped
    cdef uint64_t from_first = ALL << (first & 63), to_last = ALL >> (63 - ((after - 1) & 63))
    if head == tail:
        return drop(bits + head, log.fetched + head, from_first & to_last)
    dropped = drop(bits + head, log.fetched + head, from_first)
    dropped += drop_words(bits + head + 1, log.fetched + head + 1, tail - head - 1)
    return dropped + drop(bits + tail, log.fetched + tail, to_last)
