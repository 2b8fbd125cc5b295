"""Loops over whole words of bitmaps: the innermost ones of syncs and sweeps.

Where the C library can choose a version of a function at load time, one of these counts bits by
the processor's own instruction.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>

    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define MIGKIT_VERSIONS __attribute__((target_clones("popcnt", "default")))
    #else
    #define MIGKIT_VERSIONS
    #endif

    MIGKIT_VERSIONS
    static int64_t migkit_count(const uint64_t *bits, int64_t n_words)
    {
        int64_t total = 0;
        for (int64_t i = 0; i < n_words; i++)
            total += __builtin_popcountll(bits[i]);
        return total;
    }

    MIGKIT_VERSIONS
    static int64_t migkit_merge(uint64_t *bmap, uint64_t *log, int64_t n_words)
    {
        int64_t fresh = 0;
        for (int64_t i = 0; i < n_words; i++) {
            uint64_t dirty = log[i];
            if (dirty == 0)
                continue;
            log[i] = 0;
            fresh += __builtin_popcountll(dirty & ~bmap[i]);
            bmap[i] |= dirty;
        }
        return fresh;
    }

    MIGKIT_VERSIONS
    static int64_t migkit_copy(uint64_t *bmap, const uint64_t *log, uint64_t *fetched,
                               int64_t n_words, int *any)
    {
        int64_t fresh = 0;
        uint64_t found = 0;
        for (int64_t i = 0; i < n_words; i++) {
            uint64_t dirty = log[i];
            found |= dirty;
            fetched[i] = dirty;
            fresh += __builtin_popcountll(dirty & ~bmap[i]);
            bmap[i] |= dirty;
        }
        *any = found != 0;
        return fresh;
    }

    MIGKIT_VERSIONS
    static int64_t migkit_drop(uint64_t *log, uint64_t *fetched, int64_t n_words)
    {
        int64_t dropped = 0;
        for (int64_t i = 0; i < n_words; i++) {
            dropped += __builtin_popcountll(fetched[i]);
            log[i] &= ~fetched[i];
            fetched[i] = 0;
        }
        return dropped;
    }

    /* Few bits lie scattered: nothing branches on whether a word has one, for none can guess. */
    MIGKIT_VERSIONS
    static int64_t migkit_clear(uint64_t *bits, const uint64_t *zero_class, uint64_t zero_flip,
                                int64_t *index, int64_t last, int64_t most, int64_t *after)
    {
        int64_t i = *index, latest = 0, cleared = 0;
        uint64_t cleared_last = 0;
        for (; i < last; i++) {
            uint64_t word = bits[i];
            int64_t here = __builtin_popcountll(word);
            if (cleared + here > most || (zero_class && (word & (zero_class[i] ^ zero_flip))))
                break;
            bits[i] = 0;
            cleared += here;
            latest = here ? i : latest;
            cleared_last = here ? word : cleared_last;
        }
        *index = i;
        if (cleared)
            *after = latest * 64 + 64 - __builtin_clzll(cleared_last);
        return cleared;
    }
    """
    int64_t migkit_count(const uint64_t *bits, int64_t n_words) noexcept nogil
    int64_t migkit_copy(uint64_t *bmap, const uint64_t *log, uint64_t *fetched, int64_t n_words,
                        int *any) noexcept nogil
    int64_t migkit_drop(uint64_t *log, uint64_t *fetched, int64_t n_words) noexcept nogil
    int64_t migkit_merge(uint64_t *bmap, uint64_t *log, int64_t n_words) noexcept nogil
    int64_t migkit_clear(uint64_t *bits, const uint64_t *zero_class, uint64_t zero_flip,
                         int64_t *index, int64_t last, int64_t most,
                         int64_t *after) noexcept nogil


cdef int64_t count_words(const uint64_t *bits, int64_t n_words) noexcept nogil:
    return migkit_count(bits, n_words)


cdef int64_t merge_words(uint64_t *bmap, uint64_t *log, int64_t n_words) noexcept nogil:
    return migkit_merge(bmap, log, n_words)


cdef int64_t clear_words(uint64_t *bits, const uint64_t *zero_class, uint64_t zero_flip,
                         int64_t *index, int64_t last, int64_t most,
                         int64_t *after) noexcept nogil:
    return migkit_clear(bits, zero_class, zero_flip, index, last, most, after)


cdef int64_t copy_words(uint64_t *bmap, const uint64_t *log, uint64_t *fetched, int64_t n_words,
                        int *any) noexcept nogil:
    return migkit_copy(bmap, log, fetched, n_words, any)


cdef int64_t drop_words(uint64_t *log, uint64_t *fetched, int64_t n_words) noexcept nogil:
    return migkit_drop(log, fetched, n_words)


cdef uint64_t *new_words(int64_t words) except NULL:
    """Allocate a bitmap of zeros."""
    cdef uint64_t *out = <uint64_t *> calloc(<size_t> words + 1, sizeof(uint64_t))
    if out == NULL:
        raise MemoryError(f"no memory for a bitmap of {words * 8} bytes")
    return out
