"""How a migration ends, and which of the two guests goes on (migration_iteration_finish)."""

from libc.stdint cimport int64_t

from migkit._engine cimport decisions, timeline
from migkit._engine.commands cimport source_restarts
from migkit._engine.guest cimport resume
from migkit._engine.types cimport (
    CHECKPOINT_DOWNTIME_END, Checkpoint, EVENT_MIGRATE_ERROR,
    EVENT_MIGRATION_THREAD_AFTER_LOOP, EVENT_VMSTATE_DOWNTIME_CHECKPOINT, RUN_STATE_EXITED,
    RUN_STATE_PAUSED, RUN_STATE_POSTMIGRATE, STATE_CANCELLED,
    STATE_CANCELLING, STATE_COMPLETED, STATE_FAILED, STATE_POSTCOPY_PAUSED,
)
from migkit._engine.world cimport World


cdef void checkpoint(World w, Checkpoint which) noexcept nogil:
    """Record a point of the downtime."""
    w.emit(EVENT_VMSTATE_DOWNTIME_CHECKPOINT, which)


cdef void take_lock(World w) noexcept nogil:
    """Take the big QEMU lock: commands that need it wait from here on."""
    timeline.apply(w)
    w.sides.lock_held = True


cdef void release_lock(World w) noexcept nogil:
    """Let the commands through that have come meanwhile."""
    if w.sides.lock_held:
        w.sides.lock_held = False
        w.sides.lock_released_ns = w.t


cdef void finish(World w) noexcept nogil:
    """Account downtime, total time and throughput (migration_completion_end)."""
    cdef int64_t now = w.now_ms()
    if w.downtime_ms == 0:      # else postcopy has set it, and that stays
        checkpoint(w, CHECKPOINT_DOWNTIME_END)
    w.downtime_ms = decisions.completed_downtime_ms(w.downtime_ms, downtime_start_ms(w), now)
    w.total_time_ms = now - w.start_ms
    w.mbps = decisions.mbps_whole(w.transferred, w.total_time_ms - w.setup_time_ms, w.mbps)
    w.set_state(STATE_COMPLETED)
    w.sides.source = w.sides.before if w.snapshot.on else RUN_STATE_POSTMIGRATE
    if cut_on_the_way(w):
        destination_is(w, STATE_FAILED, RUN_STATE_EXITED)
    else:
        destination_is(w, STATE_COMPLETED, w.sides.before)
    end_loop(w)


cdef bint cut_on_the_way(World w) noexcept nogil:
    """Whether the end of a stream that nobody acknowledges is lost: the source does not know."""
    if w.has_return_path:
        return False
    return timeline.cut_before(w, w.drain_end + w.net.latency_ns) >= 0


cdef int64_t downtime_start_ms(World w) noexcept nogil:
    """Return the millisecond in which the guest was stopped."""
    return (w.downtime_start_ns + w.host.clock_phase_ns) // 1_000_000


cdef void fail(World w) noexcept nogil:
    """End without success: failed, or cancelled if that was asked for; the guest may go on."""
    w.emit(EVENT_MIGRATE_ERROR)
    if w.state == STATE_CANCELLING:
        w.set_state(STATE_CANCELLED)
    elif not w.abandoned:
        w.set_state(STATE_FAILED)
    if not w.abandoned:
        settle(w)
    end_loop(w)


cdef void settle(World w) noexcept nogil:
    """Say what becomes of the destination, and whether the source's guest goes on."""
    cdef int64_t starts = destination_starts_ns(w)
    cdef bint runs = 0 <= starts <= w.t, locked = w.sides.images_locked
    if source_restarts(w.sides.blindly, locked, runs):
        w.sides.source = w.sides.before
        resume(w)
    if w.sides.connect_failed:
        return      # it goes on listening
    if starts < 0:
        destination_is(w, STATE_FAILED, RUN_STATE_EXITED)
    elif w.sides.whole_stream_ns >= 0:      # paused if the source has taken the images back
        destination_is(w, STATE_COMPLETED,
                       RUN_STATE_PAUSED if locked and not runs else w.sides.before)
    else:
        destination_is(w, STATE_POSTCOPY_PAUSED, w.sides.before)


cdef void destination_is(World w, int64_t state, int64_t run_state) noexcept nogil:
    """Set both states of the destination, if there is one."""
    if w.target.is_file:
        return
    w.destination_state = state
    w.sides.destination = run_state


cdef int64_t destination_starts_ns(World w) noexcept nogil:
    """Return when the destination's guest starts or has started, or -1 if it will not."""
    if timeline.destination_error_before(w, w.t):
        return -1
    if w.sides.whole_stream_ns >= 0:
        if timeline.cut_before(w, w.sides.whole_stream_ns - w.host.load_ns) >= 0:
            return -1
        return w.sides.whole_stream_ns
    return w.destination_runs_ns if w.destination_runs_ns <= w.t else -1


cdef void end_loop(World w) noexcept nogil:
    """Leave the migration thread's loop."""
    release_lock(w)
    w.emit(EVENT_MIGRATION_THREAD_AFTER_LOOP)
    w.finished = True
