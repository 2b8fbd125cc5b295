# State of xbzrle: the page cache, what was written into its pages since they were copied, and the
# counters of query-migrate.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from migkit._engine.content cimport Outcome
from migkit._engine.program_pages cimport ProgramPages

cdef struct CachedPage:
    bint used
    int64_t address             # page number in the guest's RAM addresses
    int64_t age                 # the sync at which it was last touched
    # the copy, and what happened to the page since
    uint64_t key                # of the draws for this copy
    int64_t data_bytes
    bint filled, touched
    int64_t places, place_bytes
    int64_t copied_at           # number of the program's last write before the copy
    int64_t *stores             # numbers of its writes since
    int64_t n_stores, room


cdef class PageCache:
    cdef int64_t cache_pages
    cdef CachedPage *entries
    cdef int64_t *ram_starts
    cdef uint64_t delta_key
    cdef int64_t copies
    cdef int64_t first_copy_ns, copy_ns, hit_ns, record_ns
    cdef ProgramPages program   # None unless the pages are known byte for byte
    cdef bint started           # from the second sweep on
    cdef bint last_stage
    cdef bint lost              # no memory for a page's writes, or for another cache
    cdef int64_t hits, misses, overflows, encoded_bytes
    cdef int64_t target_pages   # found in passes, not at the end: rates are told by these
    cdef double miss_rate, encoding_rate
    cdef int64_t pages_before, misses_before, hits_before, bytes_before

    # migration/page_cache.c: the entry of a page, NULL if it is not there; what a copy costs, 0 if
    # a fresh entry of another page is in the way; another cache, an empty one.
    cdef CachedPage *find(self, int64_t address, int64_t generation) noexcept nogil
    cdef int64_t insert(self, int64_t address, int64_t generation, int64_t data_bytes,
                        int64_t written) noexcept nogil
    cdef void copy(self, CachedPage *entry, int64_t data_bytes, int64_t written) noexcept nogil
    cdef void resize(self, int64_t size_bytes) noexcept nogil

    # What the guest does to its pages.
    cdef void written(self, int64_t page, const Outcome *outcome, int64_t number) noexcept nogil
    cdef void touched(self, int64_t page) noexcept nogil

    cdef void drop(self) noexcept nogil
    cdef CachedPage *entry_of(self, int64_t address) noexcept nogil
    cdef void store(self, CachedPage *entry, int64_t number) noexcept nogil

    # Rates of a period of the dirty-bitmap syncs (migration_update_rates).
    cdef void update_rates(self) noexcept nogil

cdef PageCache make_page_cache(plan)
