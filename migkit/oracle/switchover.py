"""Stopping the guest and sending the last of it (migration.c migration_completion)."""

from __future__ import annotations

from migkit.oracle import destination, guest, preempt, ram, savevm, timeline
from migkit.oracle.codes import Checkpoint, Event, RunState, State
from migkit.oracle.endings import checkpoint, fail, finish, release_lock, take_lock
from migkit.oracle.network import Channel, arrival
from migkit.oracle.stream import flush, put
from migkit.oracle.world import World

SHUT_BYTES = 8


def stop_vm(w: World) -> None:
    """Stop the guest; downtime begins (migration_stop_vm)."""
    w.run_state = RunState.FINISH_MIGRATE
    w.downtime_start_ns = w.t
    checkpoint(w, Checkpoint.DOWNTIME_START)
    if w.vm_running:
        guest.stop(w)
        w.t += w.plan.host.vm_stop_ns
    checkpoint(w, Checkpoint.VM_STOPPED)
    w.emit(Event.MIGRATION_COMPLETION_VM_STOP, 0)


def switchover_start(w: World) -> bool:
    """Go to `device`, through `pre-switchover` if asked; False when cancelled on the way."""
    if w.state == State.CANCELLING:
        return False
    if w.plan.pause_before_switchover:
        w.set_state(State.PRE_SWITCHOVER)
        release_lock(w)
        if not wait_for_continue(w):
            return False
        take_lock(w)
    w.set_state(State.DEVICE)
    w.rate_limit_max = 0
    w.emit(Event.MIGRATION_PRECOPY_COMPLETE)
    savevm.command(w, savevm.SWITCHOVER_START, 0)
    return not w.error


def wait_for_continue(w: World) -> bool:
    """Wait for `migrate-continue`; time passes to the next item of the timeline."""
    timeline.apply(w)
    while not w.continue_asked:
        later = timeline.next_moment(w)
        if w.state != State.PRE_SWITCHOVER:
            return False
        if later < 0:
            w.t = max(w.t, w.plan.observe_ns)
            w.abandoned = True
            return False
        w.t = max(w.t, later)
        timeline.apply(w)
    w.continue_asked = False
    return w.state == State.PRE_SWITCHOVER


def complete_precopy(w: World) -> None:
    """Send the rest with the guest stopped (migration_completion_precopy)."""
    take_lock(w)
    stop_vm(w)
    if not switchover_start(w):
        fail(w)
        return
    w.iterables_arrive_ns = arrives_ns(w)
    savevm.section(w, 0, savevm.RAM_SECTION_ID, ram.complete)
    savevm.complete_handlers(w)
    checkpoint(w, Checkpoint.ITERABLE_SAVED)
    machine = w.plan
    w.t += w.plan.host.device_state_ns
    w.devices_arrive_ns = arrives_ns(w)
    # One that is still busy acknowledges as it goes.
    if w.plan.has_return_path and w.devices_arrive_ns <= w.t:
        w.held_ns = w.plan.host.landing.held_segment_ns
    put(w, savevm.device_bytes(w) + 1 + machine.vmdesc_bytes)
    flush(w)
    checkpoint(w, Checkpoint.NON_ITERABLE_SAVED)
    if w.error:
        fail(w)
        return
    w.whole_stream_ns = arrives_ns(w) + w.held_ns + w.plan.host.load_ns
    release_lock(w)
    close_return_path(w, w.held_ns + w.plan.host.load_ns)
    if w.error:
        fail(w)
        return
    finish(w)


def arrives_ns(w: World) -> int:
    """Return when the destination has digested all that was written until now."""
    return max(w.t, w.drain_end + w.latency_ns)


def complete_postcopy(w: World) -> None:
    """Send what is left and end the stream (migration_completion_postcopy).

    Nothing in here can be paused: a link that breaks now ends the migration on both sides.
    """
    w.emit(Event.MIGRATION_COMPLETION_POSTCOPY_END)
    take_lock(w)
    w.complete_entry_ns = w.t
    savevm.section(w, 0, savevm.RAM_SECTION_ID, ram.complete)
    savevm.complete_handlers(w)
    put(w, 1)
    flush(w)
    release_lock(w)
    w.emit(Event.MIGRATION_COMPLETION_POSTCOPY_END_AFTER_COMPLETE)
    if not w.error:
        close_return_path(w, w.plan.host.postcopy_end_ns)
    if w.error:
        fail(w)
        return
    finish(w)


def close_return_path(w: World, destination_ns: int) -> None:
    """Wait for the destination's SHUT, if there is a return path to bring it."""
    if not w.plan.has_return_path:
        return
    w.emit(Event.MIGRATION_RETURN_PATH_END_BEFORE)
    see_to_timeline(w, destination_ns)
    if w.error:
        w.emit(Event.MIGRATION_RETURN_PATH_END_AFTER, 0)
        return
    there = max(w.t, arrival(w, Channel.MAIN, w.drain_end, 1)) + destination_ns
    shut = arrival(w, Channel.BACK, there, SHUT_BYTES)
    cut = timeline.cut_before(w, shut)
    if cut >= 0:
        w.t, w.error = max(w.t, cut), True
    else:
        w.t = shut
        preempt.serve(w)
        destination.hear(w)
        w.emit(Event.SOURCE_RETURN_PATH_THREAD_SHUT, 0)
    w.emit(Event.MIGRATION_RETURN_PATH_END_AFTER, 0)


def see_to_timeline(w: World, destination_ns: int) -> None:
    """Carry out what comes before the destination's SHUT; a cut is found there."""
    while not w.error:
        later = timeline.next_moment(w)
        there = max(w.t, w.drain_end + w.latency_ns) + destination_ns
        if later < 0 or later > there + w.back_ns:
            return
        w.t = max(w.t, later)
        timeline.apply(w)
