"""State of one simulated migration, and what reading or changing it needs most often."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport free

from migkit._engine.packets cimport free_senders
from migkit._engine.dirty_map cimport free_marks
from migkit._engine.incoming cimport discard
from migkit._engine.dirty_log cimport free_log
from migkit._engine.handlers cimport free_handler
from migkit._engine.recorder cimport Table
from migkit._engine.types cimport (
    EVENT_COUNT, EVENT_MIGRATE_SET_STATE, MAX_ARGUMENTS,
    RUN_STATE_INMIGRATE, RUN_STATE_RUNNING, STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_DEVICE,
    STATE_SETUP,
)
from migkit._engine.vcpus cimport free_vcpus


cdef class World:
    """World()

    One migration in virtual time. One owner, one thread at a time; nothing is shared between two.
    """

    def __cinit__(self):
        cdef int event
        self.vm_running = self.vm_was_running = True
        self.destination_state = STATE_SETUP
        self.sides.source = RUN_STATE_RUNNING
        self.sides.destination = RUN_STATE_INMIGRATE
        self.sides.destination_failed_ns = self.sides.whole_stream_ns = -1
        self.sides.iterables_arrive_ns = self.sides.devices_arrive_ns = -1
        self.last_sent_block = self.urgent_last_block = -1
        self.hint_page = -1
        self.cut_ns = self.timer_ns = self.downtime_start_ns = -1
        self.destination_runs_ns = self.package_loaded_ns = -1
        self.cpus.reaper_ns = self.dirty_limit.measure_ns = INT64_MAX
        self.events = Table(2 + MAX_ARGUMENTS)
        self.iterations = Table(11)
        self.rounds = Table(12)
        self.windows = Table(6)
        self.faults = Table(6)
        self.commands = Table(4)
        self.sections = Table(5)
        self.acks.acked_ns = -1
        for event in range(EVENT_COUNT):
            self.event_ns[event] = -1

    def __dealloc__(self):
        cdef int handler
        free_marks(&self.dirty_map)
        free_marks(&self.log_map)
        free_log(&self.dirty_log)
        free_vcpus(&self.cpus)
        free(self.bmap)
        free(self.log)
        free(self.missing)
        free(self.timeline)
        for handler in range(self.handler_count):
            free_handler(&self.handlers[handler])
        free(self.always_dirty)
        free(self.limiter_late)
        discard(&self.incoming)
        free_senders(self.multifd)
        free(self.target.file_bmap)
        free(self.target.file_written)
        free(self.target.bitmap_offset)
        free(self.target.pages_offset)
        free(self.shared.ignored)
        free(self.snapshot.locked)

    cdef int64_t now_ms(self) noexcept nogil:
        """Read the millisecond clock the way QEMU does: truncated."""
        return (self.t + self.host.clock_phase_ns) // 1_000_000

    cdef bint in_postcopy(self) noexcept nogil:
        """Whether the guest has gone over while pages are still missing there."""
        return self.state == STATE_POSTCOPY_ACTIVE or self.state == STATE_POSTCOPY_DEVICE

    cdef void emit(self, int event, int64_t a=0, int64_t b=0, int64_t c=0, int64_t d=0,
                   int64_t e=0) noexcept nogil:
        """Record a trace event now."""
        cdef int64_t *row = self.events.new_row()
        self.event_ns[event] = self.t
        row[0] = self.t
        row[1] = event
        row[2] = a
        row[3] = b
        row[4] = c
        row[5] = d
        row[6] = e

    cdef void emit_at(self, int64_t at, int event, int64_t a=0, int64_t b=0,
                      int64_t c=0) noexcept nogil:
        """Record a trace event of another moment."""
        cdef int64_t now = self.t
        self.t = at
        self.emit(event, a, b, c)
        self.t = now

    cdef void set_state(self, int64_t state) noexcept nogil:
        """Move to another migration state (migrate_set_state)."""
        self.state = state
        self.emit(EVENT_MIGRATE_SET_STATE, state)

    cdef void set_state_at(self, int64_t state, int64_t at) noexcept nogil:
        """Move to another migration state at a moment already past."""
        self.state = state
        self.emit_at(at, EVENT_MIGRATE_SET_STATE, state)

    cdef bint poll(self, int64_t work) noexcept nogil:
        """Count work; every so often look for Ctrl-C and tell how far it is. True = stop."""
        self.work += work
        if self.work - self.polled_work >= POLL_WORK:
            self.polled_work = self.work
            with gil:
                look_around(self)
        return self.interrupted

    cdef void out_of_memory(self) noexcept nogil:
        """End the run: a buffer could not grow."""
        with gil:
            self.failure = MemoryError("no memory for the pages that are on their way")
        self.interrupted = True


cdef void look_around(World w) noexcept:
    """Answer signals and call the progress function; what they raise ends the run."""
    try:
        PyErr_CheckSignals()
        if w.progress is not None:
            w.progress(w.t)
    except BaseException as raised:
        w.failure = raised
        w.interrupted = True
