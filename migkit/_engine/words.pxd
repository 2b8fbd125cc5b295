# Loops over whole words of bitmaps, compiled so that a processor that counts bits does so.

from libc.stdint cimport int64_t, uint64_t

cdef int64_t count_words(const uint64_t *bits, int64_t n_words) noexcept nogil

# Move `log` into `bmap`; gives the bits that `bmap` did not have, clears `log`.
cdef int64_t merge_words(uint64_t *bmap, uint64_t *log, int64_t n_words) noexcept nogil

# Copy `log` into `fetched` and add it to `bmap`; gives the bits that `bmap` did not have.
cdef int64_t copy_words(uint64_t *bmap, const uint64_t *log, uint64_t *fetched, int64_t n_words,
                        int *any) noexcept nogil

# Clear in `log` what is in `fetched`, and `fetched`; gives how many bits that had.
cdef int64_t drop_words(uint64_t *log, uint64_t *fetched, int64_t n_words) noexcept nogil

# Clear whole words from `index[0]` on, up to one that has a bit of the other class (set in
# `zero_class` xor `zero_flip`), to one whose bits would make more than `most`, or to `last`:
# `index` is that word's then. Gives how many bits were cleared; `after` is the page after the last
# of them, unchanged if there was none. `zero_class` may be NULL: no bit is of the other class.
cdef int64_t clear_words(uint64_t *bits, const uint64_t *zero_class, uint64_t zero_flip,
                         int64_t *index, int64_t last, int64_t most,
                         int64_t *after) noexcept nogil

# A bitmap of so many words, all clear; whoever asks for it frees it.
cdef uint64_t *new_words(int64_t words) except NULL
