"""Stopping the guest and sending the last of it (migration.c migration_completion)."""

from libc.stdint cimport int64_t

from migkit._engine cimport savevm, timeline
from migkit._engine.channels cimport CHANNEL_BACK, CHANNEL_MAIN
from migkit._engine.destination cimport hear
from migkit._engine.endings cimport checkpoint, fail, finish, release_lock, take_lock
from migkit._engine.guest cimport stop
from migkit._engine.network cimport arrival
from migkit._engine.preempt cimport serve
from migkit._engine.stream cimport flush, put
from migkit._engine.types cimport (
    CHECKPOINT_DOWNTIME_START, CHECKPOINT_ITERABLE_SAVED, CHECKPOINT_NON_ITERABLE_SAVED,
    CHECKPOINT_VM_STOPPED, EVENT_MIGRATION_COMPLETION_POSTCOPY_END,
    EVENT_MIGRATION_COMPLETION_POSTCOPY_END_AFTER_COMPLETE,
    EVENT_MIGRATION_COMPLETION_VM_STOP, EVENT_MIGRATION_PRECOPY_COMPLETE,
    EVENT_MIGRATION_RETURN_PATH_END_AFTER, EVENT_MIGRATION_RETURN_PATH_END_BEFORE,
    EVENT_SOURCE_RETURN_PATH_THREAD_SHUT, RUN_STATE_FINISH_MIGRATE, STATE_CANCELLING,
    STATE_DEVICE, STATE_PRE_SWITCHOVER,
)
from migkit._engine.world cimport World

cdef enum:
    SHUT_BYTES = 8


cdef void stop_vm(World w) noexcept nogil:
    """Stop the guest; downtime begins (migration_stop_vm)."""
    w.sides.source = RUN_STATE_FINISH_MIGRATE
    w.downtime_start_ns = w.t
    checkpoint(w, CHECKPOINT_DOWNTIME_START)
    if w.vm_running:
        stop(w)
        w.t += w.host.vm_stop_ns
    checkpoint(w, CHECKPOINT_VM_STOPPED)
    w.emit(EVENT_MIGRATION_COMPLETION_VM_STOP, 0)


cdef bint switchover_start(World w) noexcept nogil:
    """Go to `device`, through `pre-switchover` if asked; False when cancelled on the way."""
    if w.state == STATE_CANCELLING:
        return False
    if w.pause_before_switchover:
        w.set_state(STATE_PRE_SWITCHOVER)
        release_lock(w)
        if not wait_for_continue(w):
            return False
        take_lock(w)
    w.set_state(STATE_DEVICE)
    w.rate_limit_max = 0
    w.emit(EVENT_MIGRATION_PRECOPY_COMPLETE)
    savevm.command(w, savevm.SWITCHOVER_START, 0)
    return not w.error


cdef bint wait_for_continue(World w) noexcept nogil:
    """Wait for `migrate-continue`; time passes to the next item of the timeline."""
    cdef int64_t later
    timeline.apply(w)
    while not w.continue_asked:
        later = timeline.next_moment(w)
        if w.state != STATE_PRE_SWITCHOVER:
            return False
        if later < 0:
            w.t = max(w.t, w.observe_ns)
            w.abandoned = True
            return False
        w.t = max(w.t, later)
        timeline.apply(w)
    w.continue_asked = False
    return w.state == STATE_PRE_SWITCHOVER


cdef void complete_precopy(World w) noexcept nogil:
    """Send the rest with the guest stopped (migration_completion_precopy)."""
    take_lock(w)
    stop_vm(w)
    if not switchover_start(w):
        fail(w)
        return
    w.sides.iterables_arrive_ns = arrives_ns(w)
    savevm.ram_section(w, savevm.BODY_RAM_COMPLETE)
    savevm.complete_handlers(w, False)
    checkpoint(w, CHECKPOINT_ITERABLE_SAVED)
    w.t += w.host.device_state_ns
    w.sides.devices_arrive_ns = arrives_ns(w)
    # One that is still busy acknowledges as it goes.
    if w.has_return_path and w.sides.devices_arrive_ns <= w.t:
        w.sides.held_ns = w.host.held_segment_ns
    put(w, savevm.device_bytes(w) + 1 + w.vmdesc_bytes)
    flush(w)
    checkpoint(w, CHECKPOINT_NON_ITERABLE_SAVED)
    if w.error:
        fail(w)
        return
    w.sides.whole_stream_ns = arrives_ns(w) + w.sides.held_ns + w.host.load_ns
    release_lock(w)
    close_return_path(w, w.sides.held_ns + w.host.load_ns)
    if w.error:
        fail(w)
        return
    finish(w)


cdef int64_t arrives_ns(World w) noexcept nogil:
    """Return when the destination has digested all that was written until now."""
    return max(w.t, w.drain_end + w.net.latency_ns)


cdef void complete_postcopy(World w) noexcept nogil:
    """Send what is left and end the stream (migration_completion_postcopy).

    Nothing in here can be paused: a link that breaks now ends the migration on both sides.
    """
    w.emit(EVENT_MIGRATION_COMPLETION_POSTCOPY_END)
    take_lock(w)
    savevm.ram_section(w, savevm.BODY_RAM_COMPLETE)
    savevm.complete_handlers(w, False)
    put(w, 1)
    flush(w)
    release_lock(w)
    w.emit(EVENT_MIGRATION_COMPLETION_POSTCOPY_END_AFTER_COMPLETE)
    if not w.error:
        close_return_path(w, w.host.postcopy_end_ns)
    if w.error:
        fail(w)
        return
    finish(w)


cdef void close_return_path(World w, int64_t destination_ns) noexcept nogil:
    """Wait for the destination's SHUT, if there is a return path to bring it."""
    cdef int64_t shut, cut
    if not w.has_return_path:
        return
    w.emit(EVENT_MIGRATION_RETURN_PATH_END_BEFORE)
    see_to_timeline(w, destination_ns)
    if w.error:
        w.emit(EVENT_MIGRATION_RETURN_PATH_END_AFTER, 0)
        return
    shut = max(w.t, arrival(w, CHANNEL_MAIN, w.drain_end, 1)) + destination_ns
    shut = arrival(w, CHANNEL_BACK, shut, SHUT_BYTES)
    cut = timeline.cut_before(w, shut)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.error = True
    else:
        w.t = shut
        serve(w)
        hear(w)
        w.emit(EVENT_SOURCE_RETURN_PATH_THREAD_SHUT, 0)
    w.emit(EVENT_MIGRATION_RETURN_PATH_END_AFTER, 0)


cdef void see_to_timeline(World w, int64_t destination_ns) noexcept nogil:
    """Carry out what comes before the destination's SHUT; a cut is found there."""
    cdef int64_t later
    while not w.error:
        later = timeline.next_moment(w)
        if later < 0:
            return
        if later > max(w.t, w.drain_end + w.net.latency_ns) + destination_ns + w.net.back_ns:
            return
        w.t = max(w.t, later)
        timeline.apply(w)
