# How a page in the cache of xbzrle differs from the page now: the two, as far as equal and
# different bytes count, and the record of the true codec.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.program_pages cimport ProgramPages

cdef enum:
    MOST_PLACES = 8192      # more leave hardly a byte of a page as it was
    TOUCHED_PLACES = 2      # what a page that is written all the time differs by
    TOUCHED_BYTES = 2

cdef struct Changes:
    uint64_t key
    int64_t fill_bytes      # new from the start of the page up to here; 0: not filled
    bint touched
    int64_t places, place_bytes
    int64_t copied_at, n_stores
    const int64_t *stores

# Size of the record, 0 if nothing is different, -1 if it does not fit into a page.
cdef int64_t encoded_bytes(const Changes *changes, int64_t page,
                           ProgramPages program) noexcept nogil
