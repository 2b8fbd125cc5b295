"""What the guest's program writes next: rates, random pages, recordings, phases, callbacks."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from migkit._engine.dirty_map cimport DirtyMap, dirty, dirty_range
from migkit._engine.draws cimport Range, counter, high_half, jump, modulo, xorshift32, zipf_try
from migkit._engine.rates cimport due, due_ns

from migkit.workload_values import QUIET_BATCHES, callback_pages

cdef enum:
    CHUNK = 1 << 22             # writes between two looks at the signals: some milliseconds
    ATTEMPT_SHIFT = 48          # attempt j for write i draws number i + j * 2^48

cdef int64_t MOST_QUIET = QUIET_BATCHES


cdef inline int64_t draw(Program *p, uint64_t attempt, Range within) noexcept nogil:
    """Draw a number below a range's size for the write in hand."""
    cdef uint64_t n
    if p.xorshift:
        p.number = xorshift32(p.number)
        return <int64_t>modulo(p.number, within)
    n = <uint64_t>p.written + (attempt << ATTEMPT_SHIFT)
    return <int64_t>high_half(counter(p.key, n), within.size)


cdef int64_t zipf_page(Program *p) noexcept nogil:
    """Draw until a page is accepted."""
    cdef uint64_t attempt = 0, n
    cdef int64_t page = -1
    while page < 0:
        n = <uint64_t>p.written + (attempt << ATTEMPT_SHIFT)
        page = zipf_try(&p.zipf, counter(p.key, n) >> 11)
        attempt += 1
    return page


cdef inline int64_t next_page(Program *p) noexcept nogil:
    """Choose the page of the next write and count the write."""
    cdef int64_t page
    if p.kind == UNIFORM:
        page = draw(p, 0, p.all_pages)
    elif p.kind == HOT_COLD:
        if draw(p, 0, p.hundred) < p.hot_percent:
            page = draw(p, 1, p.hot)
        else:
            page = <int64_t>p.hot.size + draw(p, 1, p.cold)
    elif p.kind == ZIPF:
        page = zipf_page(p)
    else:
        page = p.written % p.pages
    p.written += 1
    return p.base_page + page


cdef void write_in_order(Program *p, int64_t n, DirtyMap *log) noexcept nogil:
    """Write `n` pages in order: one range, or two where the order starts again."""
    cdef int64_t start = p.written % p.pages
    cdef int64_t end = start + min(n, p.pages)
    dirty_range(log, p.base_page + start, p.base_page + min(end, p.pages))
    dirty_range(log, p.base_page, p.base_page + end - p.pages)
    p.written += n


cdef void write_anywhere(Program *p, int64_t n, DirtyMap *log) noexcept nogil:
    """Write `n` uniform pages of the captures' guest: the busiest loop, with its state at hand."""
    cdef uint64_t base = <uint64_t>p.base_page
    cdef Range within = p.all_pages
    cdef uint64_t key = p.key
    cdef uint64_t i, first = <uint64_t>p.written
    cdef uint32_t number = p.number
    cdef int64_t page
    cdef DirtyMap here = log[0]
    if p.xorshift:
        for _ in range(n):
            number = xorshift32(number)
            dirty(&here, <int64_t>(base + modulo(number, within)))
        p.number = number
    else:
        for i in range(first, first + <uint64_t>n):
            page = <int64_t>high_half(counter(key, i), within.size)
            dirty(&here, <int64_t>base + page)
    log.fresh = here.fresh
    p.written += n


cdef void skip(Program *p, int64_t n) noexcept nogil:
    """Go past `n` writes and the random numbers they take."""
    if p.xorshift and p.kind != SEQUENTIAL:
        p.number = jump(p.number, <uint64_t>n << (p.kind == HOT_COLD))
    p.written += n


cdef void write(Program *p, int64_t n, DirtyMap *log) noexcept nogil:
    """Make the next `n` writes."""
    if log == NULL:
        skip(p, n)
    elif p.kind == SEQUENTIAL:
        write_in_order(p, n, log)
    elif p.kind == UNIFORM:
        write_anywhere(p, n, log)
    else:
        for _ in range(n):
            dirty(log, next_page(p))


cdef bint run_rate(Program *p, int64_t until_ns, DirtyMap *log) noexcept nogil:
    """Make what is due, in chunks."""
    cdef int64_t end
    if until_ns < 0:
        return False
    end = due(&p.rate, until_ns // p.batch_ns * p.batch_ns)
    while p.written < end:
        if log == NULL or p.kind == SEQUENTIAL:
            write(p, end - p.written, log)
        else:
            write(p, min(end - p.written, CHUNK), log)
            if p.written < end and signalled(p):
                return True
    return False


cdef bint signalled(Program *p) noexcept with gil:
    """Answer signals; what they raise ends the run."""
    try:
        PyErr_CheckSignals()
        return False
    except BaseException as raised:
        (<list>p.failures).append(raised)
        return True


cdef bint run_phases(Program *p, int64_t until_ns, DirtyMap *log) noexcept nogil:
    """Run each phase as far as it lasts."""
    cdef int64_t last
    cdef bint gave_up
    while until_ns >= p.began_ns:
        last = p.last_ns[p.phase]
        gave_up = run(
            &p.phases[p.phase], p.clock_ns[p.phase] + min(until_ns - p.began_ns, last), log
        )
        if gave_up or until_ns - p.began_ns < last:
            return gave_up
        next_phase(p)
    return False


cdef void next_phase(Program *p) noexcept nogil:
    """Give the turn to the next phase."""
    p.clock_ns[p.phase] += p.last_ns[p.phase]
    p.began_ns += p.last_ns[p.phase]
    p.phase += 1
    if p.phase == p.n_phases:
        p.phase = 0


cdef bint look_phases(Program *p, int64_t until_ns) noexcept nogil:
    """Look into each phase as far as it lasts."""
    cdef Program *part
    cdef int64_t last, clock
    while until_ns >= p.began_ns:
        part = &p.phases[p.phase]
        last = p.last_ns[p.phase]
        clock = p.clock_ns[p.phase]
        if look(part, clock + min(until_ns - p.began_ns, last)):
            part.ahead = False
            return set_ahead(p, p.began_ns + part.ahead_ns - clock, part.ahead_page)
        if until_ns - p.began_ns < last:
            return False
        next_phase(p)
        if p.phase == 0 and all_over(p):
            return False
    return False


cdef bint all_over(const Program *p) noexcept nogil:
    """Whether no phase writes any more."""
    cdef int64_t i
    for i in range(p.n_phases):
        if not over(&p.phases[i]):
            return False
    return True


cdef bint over(const Program *p) noexcept nogil:
    """Whether a program that has no phases writes no more."""
    if p.ahead:
        return False
    if p.kind == CALLBACK:
        return p.ended
    if p.kind == RECORDED:
        return p.row == p.n_rows
    return due_ns(&p.rate, p.written + 1, p.batch_ns) < 0


cdef bint set_ahead(Program *p, int64_t at_ns, int64_t page) noexcept nogil:
    p.ahead = True
    p.ahead_ns = at_ns
    p.ahead_page = page
    return True


cdef int64_t taken(const Program *p) noexcept nogil:
    cdef int64_t i, sum = p.written
    for i in range(p.n_phases):
        sum += taken(&p.phases[i])
    return sum - p.ahead


cdef int source_of(const Program *p) noexcept nogil:
    return <int>p.phase if p.kind == PHASES else 0


cdef uint64_t number_of(const Program *p) noexcept nogil:
    if p.kind == PHASES:
        return <uint64_t>p.phases[p.phase].written
    return <uint64_t>p.written


cdef bint gave_up(const Program *p) noexcept nogil:
    cdef int64_t i
    for i in range(p.n_phases):
        if p.phases[i].failed:
            return True
    return p.failed


cdef bint look(Program *p, int64_t until_ns) noexcept nogil:
    cdef int64_t at
    if p.ahead:
        return p.ahead_ns <= until_ns
    if p.kind == PHASES:
        return look_phases(p, until_ns)
    if p.kind == CALLBACK:
        while p.row == p.n_rows:
            if p.ended or (p.batch + 1) * p.batch_ns > until_ns or not fetch(p):
                return False
    if p.kind == CALLBACK or p.kind == RECORDED:
        if p.row == p.n_rows:
            return False
        at = p.batch * p.batch_ns if p.kind == CALLBACK else p.row_ns[p.row]
        if at > until_ns:
            return False
        p.row += 1
        p.written += 1
        return set_ahead(p, at, p.base_page + p.row_page[p.row - 1])
    at = due_ns(&p.rate, p.written + 1, p.batch_ns)
    return at >= 0 and at <= until_ns and set_ahead(p, at, next_page(p))


cdef bint run(Program *p, int64_t until_ns, DirtyMap *log) noexcept nogil:
    if p.ahead:
        if p.ahead_ns > until_ns:
            return False
        p.ahead = False
        if log != NULL:
            dirty(log, p.ahead_page)
    if p.kind == PHASES:
        return run_phases(p, until_ns, log)
    if p.kind != RECORDED and p.kind != CALLBACK:
        return run_rate(p, until_ns, log)
    while look(p, until_ns):
        p.ahead = False
        if log != NULL:
            dirty(log, p.ahead_page)
    return p.failed


cdef bint fetch(Program *p) noexcept with gil:
    """Ask the callback for its next batch; False if it failed."""
    cdef const int64_t[::1] pages
    cdef int64_t *room
    cdef int64_t from_ns = p.batch * p.batch_ns
    try:
        pages = callback_pages(<object>p.spec, from_ns, from_ns + p.batch_ns)
        if pages.shape[0]:
            room = <int64_t *>realloc(p.row_page, pages.shape[0] * sizeof(int64_t))
            if room == NULL:
                raise MemoryError("no memory for the pages of a callback workload")
            p.row_page = room
            memcpy(room, &pages[0], pages.shape[0] * sizeof(int64_t))
    except BaseException as raised:
        (<list>p.failures).append(raised)
        p.ended = p.failed = True
        return False
    p.batch += 1
    p.row = 0
    p.n_rows = pages.shape[0]
    p.quiet = 0 if p.n_rows else p.quiet + 1
    p.ended = p.quiet == MOST_QUIET
    return True
