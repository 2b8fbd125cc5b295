"""The migration thread: passes, windows, decisions (migration/migration.c migration_thread)."""

from __future__ import annotations

from migkit.oracle import (
    decisions,
    endings,
    execution,
    guest,
    network,
    postcopy,
    preempt,
    savevm,
    senders,
    snapshot,
    switchover,
    timeline,
)
from migkit.oracle.codes import Decision, Event, State, SyncReason
from migkit.oracle.limiter import rate_limit, reset_window, update_counters
from migkit.oracle.passes import Pass
from migkit.oracle.stream import put, rate_exceeded
from migkit.oracle.sync import bitmap_sync, timer_sync
from migkit.oracle.world import World


def greet(w: World) -> None:
    """Write the header, ask for answers, say that postcopy may come."""
    w.emit(Event.SAVEVM_STATE_HEADER)
    put(w, savevm.header_bytes(w))
    if w.plan.has_return_path:
        savevm.command(w, savevm.OPEN_RETURN_PATH, 0)
        savevm.ping(w, 1)
        w.first_pong_ns = max(w.t, w.drain_end) + network.round_trip_ns(w)
        if w.acks_needed == 0:  # then the destination acks when the return path is opened
            w.acked_ns = w.first_pong_ns
    if w.plan.postcopy_possible:
        savevm.command(w, savevm.POSTCOPY_ADVISE, 16 if w.plan.postcopy_ram else 0)


def setup(w: World) -> None:
    """Connect, write the header and the START sections, do the first sync."""
    plan = w.plan
    w.start_ms = w.now_ms()
    if plan.dirty_log.executed:
        execution.begin(w)
    w.set_state(State.SETUP)
    timeline.apply(w)
    if w.error:  # nothing is connected yet: cancelled or failed at once
        endings.fail(w)
        return
    endings.destination_is(w, State.ACTIVE, w.destination_run_state)
    w.t += plan.host.thread_start_ns
    w.iteration_start_ms = w.now_ms()
    setup_start = w.now_ms()
    if plan.snapshot is not None:
        snapshot.prepare(w)  # and nothing limits it
    else:
        w.rate_limit_max = decisions.rate_limit_max(w.parameters["max-bandwidth"])
    senders.open_channels(w)
    greet(w)
    if plan.auto_converge:
        w.timer_ns = w.t + plan.host.throttle_timer_ns
    w.emit(Event.SAVEVM_STATE_SETUP)
    w.t += plan.host.setup_ns
    if plan.snapshot is None:
        bitmap_sync(w, SyncReason.SETUP)
    savevm.setup_sections(w)
    if w.state == State.SETUP:  # not if it is cancelled by now
        w.set_state(State.ACTIVE)
    w.setup_time_ms = w.now_ms() - setup_start
    w.emit(Event.MIGRATION_THREAD_SETUP_COMPLETE)
    if plan.snapshot is not None:
        snapshot.start(w)


def turn(w: World) -> None:
    """One turn of the loop: a pass if there is budget, then errors, then the limiter."""
    preempt.serve(w)
    timeline.apply(w)
    senders.settle(w)
    if observed_out(w):
        return
    timer_sync(w)
    decision = Decision.ITERATE
    if w.plan.snapshot is not None:
        snapshot.iteration_run(w)
    elif not rate_exceeded(w):
        decision = iteration_run(w)
    if w.finished or decision == Decision.POSTCOPY_START:
        return
    if w.error or w.state == State.CANCELLING:
        handle_error(w)
        return
    if w.plan.snapshot is not None:
        update_counters(w)
    else:
        rate_limit(w)


def observed_out(w: World) -> bool:
    """End the run when nobody looks any longer (the migration itself would go on)."""
    if w.plan.observe_ns < 0 or w.t < w.plan.observe_ns:
        return False
    if w.executing:  # what the vCPUs did is told in events
        guest.advance(w)
    w.total_time_ms = w.now_ms() - w.start_ms
    w.finished = True
    return True


def iteration_run(w: World) -> Decision:
    """One pass: how much is left, what follows from it, and if nothing does, send."""
    began = Pass(w)
    able = may_switch_over(w)
    must, can = savevm.pending(w)
    estimate, exact = must + can, -1
    w.emit(Event.MIGRATE_PENDING_ESTIMATE, estimate, must, can)
    if exact_wanted(w, estimate):
        must, can = pending_exact(w)
        exact = must + can
    threshold = w.threshold_size
    decision = decide(w, must + can, must, able)
    if began.in_postcopy:
        postcopy.leave_device_state(w, must + can)
    if decision == Decision.POSTCOPY_START:
        postcopy.start(w)
    elif decision == Decision.COMPLETE:
        w.emit(Event.MIGRATION_THREAD_LOW_PENDING, must + can)
        complete(w)
    else:
        savevm.iterate(w)
    began.record(estimate, exact, threshold, decision)
    return decision


def exact_wanted(w: World, estimate: int) -> bool:
    """Whether this pass asks for the exact size, by the rule in force."""
    if w.plan.exact_each_pass:
        return decisions.exact_wanted_each_pass(w.in_postcopy)
    if w.plan.rule_after:
        return decisions.exact_wanted_after(w.in_postcopy, estimate, w.threshold_size)
    return decisions.exact_wanted_before(estimate, w.threshold_size)


def pending_exact(w: World) -> tuple[int, int]:
    """Ask every handler for its exact size; RAM fetches the dirty log, except in postcopy."""
    if w.in_postcopy:
        w.exact_queries_in_postcopy += 1
    else:
        bitmap_sync(w, SyncReason.EXACT)
    must, can = savevm.pending(w, exact=True)
    w.emit(Event.MIGRATE_PENDING_EXACT, must + can, must, can)
    return must, can


def may_switch_over(w: World) -> bool:
    """Whether the destination has acknowledged the switchover, if that is waited for."""
    return decisions.can_switchover(w.plan.awaits_ack, w.vm_running, 0 <= w.acked_ns <= w.t)


def decide(w: World, pending: int, must: int, able: bool) -> Decision:
    """Complete, start postcopy or iterate, by the rule in force."""
    rule = decisions.completion_after if w.plan.rule_after else decisions.completion_before
    return Decision(rule(w.in_postcopy, pending, must, w.threshold_size, able, w.start_postcopy))


def complete(w: World) -> None:
    """Finish, in the way of the phase."""
    if w.in_postcopy:
        switchover.complete_postcopy(w)
    else:
        switchover.complete_precopy(w)


def handle_error(w: World) -> None:
    """Fail, or pause if the guest already runs on the destination (migration_detect_error)."""
    if decisions.state_after_channel_error(int(w.state), False) == State.POSTCOPY_PAUSED:
        if postcopy.pause(w):
            reset_window(w)
        return
    endings.fail(w)
