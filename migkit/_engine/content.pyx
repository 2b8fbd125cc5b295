"""What is in each page of the source's guest now, and what a write makes of it."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from migkit._engine.bitmap cimport (
    clear_bit, clear_range, find_next_set, set_bit, set_range, test, words_for,
)
from migkit._engine.draws cimport counter


cdef class PageContent:
    """PageContent()

    Classes of all pages; made by `make_content`. One owner, one thread at a time.
    """

    def __dealloc__(self):
        cdef int plane
        free(self.zero)
        free(self.sources)
        for plane in range(MOST_PLANES):
            free(self.planes[plane])

    cdef bint is_zero(self, int64_t page) noexcept nogil:
        return test(self.zero, page)

    cdef int64_t class_of(self, int64_t page) noexcept nogil:
        cdef int64_t number = 0
        cdef int plane
        if test(self.zero, page):
            return 0
        for plane in range(self.n_planes):
            number |= (<int64_t> test(self.planes[plane], page)) << plane
        return number + 1

    cdef int64_t data_bytes(self, int64_t page) noexcept nogil:
        return self.class_bytes[self.class_of(page)]

    cdef Outcome *write(self, int64_t page, int source, uint64_t number) noexcept nogil:
        cdef Outcomes *writes = &self.sources[source]
        cdef uint64_t draw
        cdef int which = 0
        if writes.count > 1:
            draw = counter(writes.key, number) >> 32
            while draw >= writes.limits[which]:
                which += 1
        if writes.outcomes[which].kind == CHANGE_FILL:
            self.set_class(page, writes.outcomes[which].new_class)
        else:
            self.touch(page)
        return &writes.outcomes[which]

    cdef void touch(self, int64_t page) noexcept nogil:
        if test(self.zero, page):
            self.set_class(page, self.sparse_class)

    cdef void set_class(self, int64_t page, int64_t to) noexcept nogil:
        cdef int plane
        if to == 0:
            set_bit(self.zero, page)
            return
        clear_bit(self.zero, page)
        for plane in range(self.n_planes):
            if (to - 1) >> plane & 1:
                set_bit(self.planes[plane], page)
            else:
                clear_bit(self.planes[plane], page)

    cdef void assign(self, int64_t start, int64_t end, int64_t to) noexcept nogil:
        cdef int plane
        if to == 0:
            set_range(self.zero, start, end)
            return
        clear_range(self.zero, start, end)
        for plane in range(self.n_planes):
            if (to - 1) >> plane & 1:
                set_range(self.planes[plane], start, end)
            else:
                clear_range(self.planes[plane], start, end)


cdef PageContent make_content(plan):
    """Return the content of a plan's guest when migration starts."""
    cdef PageContent made = PageContent()
    cdef int64_t pages = sum(plan.block_pages)
    spec = plan.content
    n_classes = len(spec.class_bytes)
    if n_classes > MOST_CONTENTS or any(len(w.limits) > MOST_OUTCOMES for w in spec.writes):
        raise ValueError(f"{n_classes} classes of pages; at most {MOST_CONTENTS} are told apart")
    for index, data_bytes in enumerate(spec.class_bytes):
        made.class_bytes[index] = data_bytes
    made.sparse_class = spec.sparse_class
    made.moves = spec.moves
    made.n_planes = max(n_classes - 2, 0).bit_length()
    made.zero = new_bits(pages)
    for index in range(made.n_planes):
        made.planes[index] = new_bits(pages)
    take_writes(made, spec.writes)
    take_pages(made, plan, pages)
    return made


cdef uint64_t *new_bits(int64_t pages) except NULL:
    """Allocate a bitmap of zeros."""
    cdef uint64_t *out = <uint64_t *> calloc(<size_t> words_for(pages) + 1, sizeof(uint64_t))
    if out == NULL:
        raise MemoryError(f"no memory for a bitmap of {pages} pages")
    return out


cdef int take_writes(PageContent made, sources) except -1:
    """Copy the outcomes of each program's writes."""
    cdef Outcomes *entry
    made.n_sources = len(sources)
    made.sources = <Outcomes *> calloc(made.n_sources + 1, sizeof(Outcomes))
    if made.sources == NULL:
        raise MemoryError
    for source, writes in enumerate(sources):
        entry = &made.sources[source]
        entry.key = writes.key
        entry.count = len(writes.limits)
        for index in range(entry.count):
            entry.limits[index] = writes.limits[index]
            entry.outcomes[index].kind = writes.kinds[index]
            entry.outcomes[index].new_class = writes.classes[index]
            entry.outcomes[index].places = writes.places[index]
            entry.outcomes[index].place_bytes = writes.place_bytes[index]
    return 0


cdef int take_pages(PageContent made, plan, int64_t pages) except -1:
    """Lay out the classes: zero where nothing is told."""
    cdef int64_t memory = plan.block_pages[0], first, end
    with nogil:     # of a terabyte: memory that the system has to find first
        set_range(made.zero, 0, pages)
    for first, count in plan.nonzero_extents:
        end = min(first + count, pages)
        first = max(first, 0)
        draw_runs(made, plan.content, first, min(end, memory))
        if max(first, memory) < end:
            made.assign(max(first, memory), end, plan.content.other_class)
    cover(made, plan, memory)
    return 0


cdef int draw_runs(PageContent made, spec, int64_t start, int64_t end) except -1:
    """Draw the class of each run of pages of a range."""
    cdef int64_t run_pages = spec.run_pages, at = start, after, to
    cdef uint64_t key = spec.key, draw
    cdef int which, count = len(spec.limits)
    cdef uint64_t limits[MOST_OUTCOMES]
    cdef int64_t classes[MOST_OUTCOMES]
    for which in range(count):
        limits[which] = spec.limits[which]
        classes[which] = spec.classes[which]
    while at < end:
        which = 0
        after = end
        if count > 1:
            after = min(end, (at // run_pages + 1) * run_pages)
            draw = counter(key, <uint64_t> (at // run_pages)) >> 32
            while draw >= limits[which]:
                which += 1
        to = classes[which]
        made.assign(at, after, to)
        at = after
    return 0


cdef int cover(PageContent made, plan, int64_t memory) except -1:
    """Give the pages with data of each of the content's extents their class."""
    cdef int64_t start, stop, at, until, to
    cdef uint64_t *data = NULL
    if not plan.content.extents:
        return 0
    data = new_bits(memory)
    for first, count in plan.nonzero_extents:
        if first < memory:
            set_range(data, max(first, 0), min(first + count, memory))
    for start, count, to in plan.content.extents:
        at = start
        stop = min(start + count, memory)
        while at < stop:
            at = find_next_set(data, at, stop)
            until = at
            while until < stop and test(data, until):
                until += 1
            if at < until:
                made.assign(at, until, to)
            at = until
    free(data)
    return 0
