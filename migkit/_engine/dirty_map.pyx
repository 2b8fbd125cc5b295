"""Bitmaps that know where they are empty: what makes few dirty pages in much memory cheap."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from migkit._engine.bitmap cimport find_next_set, set_range, test, words_for
from migkit._engine.words cimport count_words, merge_words

cdef enum:
    CHUNK_WORDS = CHUNK_PAGES // 64
    MARKS_AT_ONCE = 8           # bytes of a word


cdef int take_marks(DirtyMap *map, uint64_t *bits, int64_t pages) noexcept nogil:
    map.bits = bits
    map.pages = pages
    map.fresh = 0
    # Room behind the last mark: `end_of_stretch` looks one chunk on.
    map.marks = <uint8_t *> calloc(<size_t> chunks_for(pages) + 1, sizeof(uint8_t))
    return 0 if map.marks != NULL else -1


cdef void free_marks(DirtyMap *map) noexcept nogil:
    free(map.marks)


cdef void mark_all(DirtyMap *map) noexcept nogil:
    memset(map.marks, 1, <size_t> chunks_for(map.pages))


cdef void dirty_range(DirtyMap *map, int64_t start, int64_t end) noexcept nogil:
    """Set the bits of pages `start` to `end` - 1."""
    cdef int64_t first = start >> 6, n_words = words_for(end) - first
    if start >= end:
        return
    map.fresh -= count_words(map.bits + first, n_words)
    set_range(map.bits, start, end)
    map.fresh += count_words(map.bits + first, n_words)
    memset(map.marks + chunk_of(start), 1,
           <size_t> (chunk_of(end - 1) - chunk_of(start) + 1))


cdef void merge(DirtyMap *map, DirtyMap *log) noexcept nogil:
    cdef int64_t chunk = 0, end = chunks_for(log.pages), first, n_words = words_for(log.pages)
    while True:
        chunk = next_marked(log, chunk, end)
        if chunk == end:
            break
        first = chunk * CHUNK_WORDS
        map.fresh += merge_words(map.bits + first, log.bits + first,
                                 min(CHUNK_WORDS, n_words - first))
        map.marks[chunk] = 1
        log.marks[chunk] = 0
        chunk += 1
    log.fresh = 0


cdef int64_t next_marked(const DirtyMap *map, int64_t chunk, int64_t end) noexcept nogil:
    cdef uint64_t many
    while chunk < end and map.marks[chunk] == 0:
        chunk += 1
        while chunk & (MARKS_AT_ONCE - 1) == 0 and chunk + MARKS_AT_ONCE <= end:
            memcpy(&many, map.marks + chunk, MARKS_AT_ONCE)
            if many != 0:
                break
            chunk += MARKS_AT_ONCE
    return chunk


cdef int64_t find_next_dirty(DirtyMap *map, int64_t start, int64_t end) noexcept nogil:
    cdef int64_t page = start, chunk, found, stop
    if start < end and test(map.bits, start):
        return start
    while page < end:
        chunk = next_marked(map, chunk_of(page), chunks_for(end))
        page = max(page, chunk << CHUNK_SHIFT)
        stop = min((chunk + 1) << CHUNK_SHIFT, end)
        found = find_next_set(map.bits, page, stop)
        if found < stop:
            return found
        if stop - page == CHUNK_PAGES:
            map.marks[chunk] = 0
        page = stop
    return end


cdef int64_t end_of_stretch(const DirtyMap *map, int64_t page, int64_t end) noexcept nogil:
    cdef int64_t chunk = chunk_of(page) + 1
    return end if map.marks[chunk] else min(chunk << CHUNK_SHIFT, end)
