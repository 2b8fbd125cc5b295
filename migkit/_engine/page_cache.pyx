"""State of xbzrle: the page cache (migration/page_cache.c) and its counters."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, realloc

from migkit._engine.content cimport CHANGE_COUNT, CHANGE_DELTA, Outcome
from migkit._engine.draws cimport counter
from migkit._engine.page_copy cimport MOST_PLACES
from migkit._engine.program_pages cimport make_program_pages
from migkit._engine.types cimport PAGE_SHIFT
from migkit._engine.xbzrle_rules cimport (
    cache_miss_rate, cache_position, encoding_rate, replaceable,
)

cdef enum:
    STORE_PLACES = 512      # places of a page for the running count
    MOST_STORES = 2048


cdef class PageCache:
    """PageCache()

    The page cache of one migration; made by `make_page_cache`.
    """

    def __dealloc__(self):
        self.drop()
        free(self.ram_starts)

    cdef void drop(self) noexcept nogil:
        """Free the entries."""
        cdef int64_t position
        if self.entries != NULL and self.program is not None:
            for position in range(self.cache_pages):
                free(self.entries[position].stores)
        free(self.entries)
        self.entries = NULL

    cdef CachedPage *find(self, int64_t address, int64_t generation) noexcept nogil:
        cdef CachedPage *entry = self.entry_of(address)
        if entry != NULL:
            entry.age = generation
        return entry

    cdef CachedPage *entry_of(self, int64_t address) noexcept nogil:
        """Return the entry of a page, NULL if it is not there."""
        cdef CachedPage *entry = &self.entries[cache_position(address, self.cache_pages)]
        return entry if entry.used and entry.address == address else NULL

    cdef int64_t insert(self, int64_t address, int64_t generation, int64_t data_bytes,
                        int64_t written) noexcept nogil:
        cdef CachedPage *entry = &self.entries[cache_position(address, self.cache_pages)]
        cdef int64_t cost = self.copy_ns if entry.used else self.first_copy_ns
        if entry.used and entry.address != address and not replaceable(entry.age, generation):
            return 0
        entry.used = True
        entry.address = address
        entry.age = generation
        self.copy(entry, data_bytes, written)
        return cost

    cdef void copy(self, CachedPage *entry, int64_t data_bytes, int64_t written) noexcept nogil:
        self.copies += 1
        entry.key = counter(self.delta_key, <uint64_t> self.copies)
        entry.data_bytes = data_bytes
        entry.filled = entry.touched = False
        entry.places = entry.place_bytes = 0
        entry.copied_at = written
        entry.n_stores = 0

    cdef void resize(self, int64_t size_bytes) noexcept nogil:
        cdef CachedPage *entries
        if size_bytes >> PAGE_SHIFT == self.cache_pages:
            return
        entries = <CachedPage *> calloc(<size_t> (size_bytes >> PAGE_SHIFT), sizeof(CachedPage))
        if entries == NULL:
            self.lost = True
            return
        self.drop()
        self.cache_pages = size_bytes >> PAGE_SHIFT
        self.entries = entries

    cdef void written(self, int64_t page, const Outcome *outcome, int64_t number) noexcept nogil:
        cdef CachedPage *entry = self.entry_of(page)
        if entry == NULL:
            return
        if outcome.kind == CHANGE_COUNT:
            self.store(entry, number)
        elif outcome.kind == CHANGE_DELTA:
            entry.places = min(entry.places + outcome.places, MOST_PLACES)
            entry.place_bytes = max(entry.place_bytes, outcome.place_bytes)
        else:
            entry.filled = True
            entry.places = entry.place_bytes = 0

    cdef void touched(self, int64_t page) noexcept nogil:
        cdef CachedPage *entry = self.entry_of(page)
        if entry != NULL:
            entry.touched = True

    cdef void store(self, CachedPage *entry, int64_t number) noexcept nogil:
        """Remember the number of a write."""
        cdef int64_t wanted = 2 * entry.room + 4
        cdef int64_t *room
        if entry.n_stores == MOST_STORES:
            keep_latest(entry)
        if entry.n_stores == entry.room:
            room = <int64_t *> realloc(entry.stores, <size_t> wanted * sizeof(int64_t))
            if room == NULL:
                self.lost = True
                return
            entry.stores = room
            entry.room = wanted
        entry.stores[entry.n_stores] = number
        entry.n_stores += 1

    cdef void update_rates(self) noexcept nogil:
        cdef int64_t pages = self.target_pages - self.pages_before
        self.pages_before = self.target_pages
        if pages == 0:
            return
        self.miss_rate = cache_miss_rate(self.misses - self.misses_before, pages, self.miss_rate)
        self.encoding_rate = encoding_rate(
            self.hits - self.hits_before, self.encoded_bytes - self.bytes_before, pages,
            self.encoding_rate,
        )
        self.misses_before = self.misses
        self.hits_before = self.hits
        self.bytes_before = self.encoded_bytes


cdef void keep_latest(CachedPage *entry) noexcept nogil:
    """Forget writes that a later one has overwritten."""
    cdef int64_t latest[STORE_PLACES]
    cdef int64_t i, kept = 0
    for i in range(STORE_PLACES):
        latest[i] = -1
    for i in range(entry.n_stores):
        latest[entry.stores[i] & (STORE_PLACES - 1)] = i
    for i in range(entry.n_stores):
        if latest[entry.stores[i] & (STORE_PLACES - 1)] == i:
            entry.stores[kept] = entry.stores[i]
            kept += 1
    entry.n_stores = kept


cdef PageCache make_page_cache(plan):
    """Return the empty cache of a plan, None where xbzrle is off."""
    cdef PageCache made
    if plan.xbzrle is None:
        return None
    made = PageCache()
    made.cache_pages = plan.xbzrle.cache_pages
    made.delta_key = plan.xbzrle.delta_key
    made.first_copy_ns = plan.xbzrle.costs.first_copy_ns
    made.copy_ns = plan.xbzrle.costs.copy_ns
    made.hit_ns = plan.xbzrle.costs.hit_ns
    made.record_ns = plan.xbzrle.costs.record_ns
    made.entries = <CachedPage *> calloc(<size_t> made.cache_pages, sizeof(CachedPage))
    made.ram_starts = <int64_t *> calloc(len(plan.xbzrle.ram_starts), sizeof(int64_t))
    if made.entries == NULL or made.ram_starts == NULL:
        raise MemoryError(f"no memory for a page cache of {made.cache_pages} pages")
    for block, start in enumerate(plan.xbzrle.ram_starts):
        made.ram_starts[block] = start
    if CHANGE_COUNT in plan.content.writes[0].kinds:
        made.program = make_program_pages(plan.workload)
    return made
