"""The guest's writes, compiled: equal, write for write, to `migkit.oracle.writers`."""

import cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from migkit._engine.bitmap cimport Bitmap
from migkit._engine.dirty_map cimport DirtyMap, free_marks, take_marks
from migkit._engine.draws cimport jump, make_range, make_zipf, stream_key, xorshift32_start
from migkit._engine.programs cimport (
    CALLBACK, HOT_COLD, PHASES, RECORDED, SEQUENTIAL, UNIFORM, ZIPF, Program, gave_up, look,
    number_of, run, source_of, taken,
)

from migkit.errors import InputError, WorkloadError
from migkit.workload_values import DRAWS_PER_FILLED_PAGE, NS_PER_MS, NS_PER_S, rate_steps

cdef int64_t FAR_NS = 1LL << 62
cdef dict KINDS = {
    "idle": SEQUENTIAL,
    "sequential": SEQUENTIAL,
    "uniform": UNIFORM,
    "recorded-rate": UNIFORM,
    "hotcold": HOT_COLD,
    "zipf": ZIPF,
    "recorded-pages": RECORDED,
    "phases": PHASES,
    "callback": CALLBACK,
}


@cython.final
cdef class Writer:
    """Writer()

    The writes of one guest, taken in order; made by `make_writer`.

    How often one looks, and how far each time, changes nothing in what is written. It owns its
    memory and belongs to one thread at a time.
    """

    def __cinit__(self):
        self.failures = []
        self.kept = []
        self.program.failures = <void *>self.failures

    def __dealloc__(self):
        free_program(&self.program)

    cdef bint advance(self, int64_t guest_ns, DirtyMap *log) noexcept nogil:
        return run(&self.program, min(guest_ns, FAR_NS) + self.lead_ns, log)

    cdef bint peek(self, int64_t *guest_ns, int64_t *page) noexcept nogil:
        return self.peek_until(FAR_NS, guest_ns, page)

    cdef bint peek_until(self, int64_t until_ns, int64_t *guest_ns, int64_t *page) noexcept nogil:
        if not look(&self.program, min(until_ns, FAR_NS) + self.lead_ns):
            return False
        guest_ns[0] = self.program.ahead_ns - self.lead_ns
        page[0] = self.program.ahead_page
        return True

    cdef void pop(self) noexcept nogil:
        self.program.ahead = False

    cdef int64_t next_number(self) noexcept nogil:
        return taken(&self.program) - self.before

    @property
    def number(self):
        """Number of the next write, from 0 when migration began: which vCPU makes it."""
        return self.next_number()

    cdef int write_source(self) noexcept nogil:
        return source_of(&self.program)

    cdef uint64_t write_number(self) noexcept nogil:
        return number_of(&self.program)

    cdef int64_t done(self) noexcept nogil:
        return taken(&self.program)

    cdef bint failed(self) noexcept nogil:
        return gave_up(&self.program)

    @property
    def failure(self):
        """What ended the writes early: the exception of a callback or of Ctrl-C, else None."""
        return self.failures[0] if self.failures else None

    def write_into(self, guest_ns, Bitmap log not None):
        """Set the bits of all writes up to and including `guest_ns`.

        Parameters
        ----------
        guest_ns : int
            Guest time since migration began, nanoseconds.
        log : Bitmap
            Of `end_page` pages at least.

        Raises
        ------
        InputError
            If the log is too small.
        WorkloadError
            If a callback misbehaved.
        """
        cdef int64_t until = guest_ns
        if log.n_pages < self.end_page:
            raise InputError.of(
                f"log of {log.n_pages} pages", f"writes reach page {self.end_page - 1}",
                f"give {self.end_page} pages or more",
            )
        cdef DirtyMap marked
        if take_marks(&marked, log.bits, log.n_pages) < 0:
            raise MemoryError("no memory for the marks of a log")
        with nogil:
            self.advance(until, &marked)
            free_marks(&marked)
        self.raise_failure()

    def next_write(self, until_ns=None):
        """Return time and page of the next write, None if there is none up to `until_ns`."""
        cdef int64_t guest_ns, page
        cdef int64_t until = FAR_NS if until_ns is None else until_ns
        found = self.peek_until(until, &guest_ns, &page)
        self.raise_failure()
        return (guest_ns, page) if found else None

    def drop_write(self):
        """Go past the write that `next_write` returned."""
        self.pop()

    def raise_failure(self):
        """Raise `failure` if there is one."""
        if self.failures:
            raise self.failures[0]


def make_writer(spec, lead_ns=0):
    """Start the writer of a workload.

    Parameters
    ----------
    spec : Workload
        Fitted to its guest (`Workload.within`).
    lead_ns : int
        Guest time the program ran before migration began, nanoseconds. Recordings and callbacks
        begin with migration.

    Returns
    -------
    Writer
        Its writes from the beginning of migration on.

    Raises
    ------
    WorkloadError
        If the specification is not fitted to a guest.
    """
    cdef Writer writer = Writer()
    if spec.kind not in ("recorded-pages", "recorded-rate", "callback"):
        writer.lead_ns = lead_ns
    writer.end_page = sum(spec.touched)
    fill_program(&writer.program, writer, spec, 0)
    if writer.lead_ns > 0:
        run(&writer.program, writer.lead_ns - 1, NULL)
        writer.raise_failure()
    writer.before = taken(&writer.program)
    return writer


cdef int fill_program(Program *p, Writer writer, spec, stream) except -1:
    """Turn a specification into a program at its beginning."""
    base_page, _ = spec.touched
    p.kind = KINDS[spec.kind]
    p.failures = <void *>writer.failures
    p.base_page = base_page
    p.pages = spec.pages
    p.batch_ns = spec.batch_ms * NS_PER_MS
    if p.kind == PHASES:
        fill_phases(p, writer, spec)
    elif p.kind == CALLBACK:
        writer.kept.append(spec)
        p.spec = <void *>spec
    elif p.kind == RECORDED:
        fill_rows(p, spec)
    else:
        fill_rate(p, spec)
        fill_draws(p, spec, stream)
    return 0


cdef int fill_phases(Program *p, Writer writer, spec) except -1:
    """Make a program of each phase."""
    cdef int64_t i
    n = len(spec.phases)
    p.phases = <Program *>zeroed(n, sizeof(Program))
    p.n_phases = n
    p.last_ns = numbers([phase.duration_ms * NS_PER_MS for phase in spec.phases])
    p.clock_ns = numbers([0] * n)
    for i in range(n):
        fill_program(&p.phases[i], writer, spec.phases[i].workload, i + 1)
    return 0


cdef int fill_rows(Program *p, spec) except -1:
    """Copy recorded writes; pages outside the working set cannot get through."""
    if len(spec.page) and not 0 <= spec.page.min() <= spec.page.max() < spec.pages:
        raise WorkloadError.of("recorded pages", "some outside the working set", "use within()")
    p.row_ns = numbers(spec.t_ns)
    p.row_page = numbers(spec.page)
    p.n_rows = len(spec.t_ns)
    return 0


cdef int fill_rate(Program *p, spec) except -1:
    """Sum up what is due at the start of each step of the rate."""
    steps = rate_steps(spec)
    unit = steps[0][1].denominator * NS_PER_S
    sums, total = [0], 0
    for (start, rate), (end, _) in zip(steps, steps[1:]):
        total += rate.numerator * (end - start)
        sums.append(total)
    p.rate.n_steps = len(steps)
    p.rate.unit = unit
    p.rate.ns = numbers([start for start, _ in steps])
    p.rate.rate = numbers([rate.numerator for _, rate in steps])
    p.rate.due = numbers([total // unit for total in sums])
    p.rate.rest = numbers([total % unit for total in sums])
    return 0


cdef int fill_draws(Program *p, spec, stream) except -1:
    """Set up the random numbers."""
    p.key = stream_key(spec.seed, stream)
    p.all_pages = make_range(p.pages)
    p.hundred = make_range(100)
    if spec.generator == "xorshift32":
        p.xorshift = True
        p.number = jump(xorshift32_start(spec.seed), spec.total_pages * DRAWS_PER_FILLED_PAGE)
    if p.kind == HOT_COLD:
        p.hot_percent = spec.hot_percent
        p.hot = make_range(spec.hot_pages)
        p.cold = make_range(spec.pages - spec.hot_pages)
    elif p.kind == ZIPF:
        p.zipf = make_zipf(p.pages, spec.exponent)
    return 0


cdef int64_t *numbers(values) except NULL:
    """Copy integers into new memory."""
    cdef int64_t i, n = len(values)
    cdef int64_t *copy = <int64_t *>zeroed(n, sizeof(int64_t))
    for i in range(n):
        copy[i] = values[i]
    return copy


cdef void *zeroed(int64_t n, size_t size) except NULL:
    """Return room for `n` things, all zero."""
    cdef void *room = calloc(max(n, 1), size)
    if room == NULL:
        raise MemoryError("no memory for a workload")
    return room


cdef void free_program(Program *p) noexcept:
    """Free what `fill_program` took."""
    cdef int64_t i
    for i in range(p.n_phases):
        free_program(&p.phases[i])
    free(p.phases)
    free(p.last_ns)
    free(p.clock_ns)
    free(p.row_ns)
    free(p.row_page)
    free(p.rate.ns)
    free(p.rate.rate)
    free(p.rate.due)
    free(p.rate.rest)
