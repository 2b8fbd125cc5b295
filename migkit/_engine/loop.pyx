"""The migration thread: passes, windows, decisions (migration/migration.c migration_thread)."""

from libc.stdint cimport int64_t

from migkit._engine cimport (
    decisions, endings, execution, network, passes, postcopy, preempt, savevm, snapshot,
    switchover, timeline,
)
from migkit._engine.incoming cimport lost
from migkit._engine.guest cimport advance
from migkit._engine.intake cimport make_world
from migkit._engine.limiter cimport rate_limit, reset_window, update_counters
from migkit._engine.senders cimport open_channels, settle
from migkit._engine.stream cimport over_budget, put
from migkit._engine.sync cimport bitmap_sync, timer_sync
from migkit._engine.types cimport (
    DECISION_COMPLETE, DECISION_ITERATE, DECISION_POSTCOPY_START,
    EVENT_MIGRATE_PENDING_ESTIMATE, EVENT_MIGRATE_PENDING_EXACT,
    EVENT_MIGRATION_THREAD_LOW_PENDING,
    EVENT_MIGRATION_THREAD_SETUP_COMPLETE, EVENT_SAVEVM_STATE_HEADER, EVENT_SAVEVM_STATE_SETUP,
    STATE_ACTIVE, STATE_CANCELLING, STATE_POSTCOPY_PAUSED, STATE_SETUP, SYNC_EXACT, SYNC_SETUP,
)
from migkit._engine.world cimport World

from migkit._engine.harvest import recording


def run(plan, progress=None):
    """Simulate one migration.

    Parameters
    ----------
    plan : migkit.plan.Plan
        Resolved inputs.
    progress : callable, optional
        Called with the virtual time in ns every few milliseconds of real time.

    Returns
    -------
    dict
        The recording: tables of int64 columns, events, counters, outcome.

    Raises
    ------
    KeyboardInterrupt
        When interrupted; answered within a few milliseconds.
    Exception
        Whatever a callback workload or `progress` raised.
    """
    cdef World w = make_world(plan, progress)
    with nogil:
        setup(w)
        while not w.finished and not w.interrupted:
            turn(w)
        timeline.answer_the_rest(w)
    if lost(&w.incoming):
        raise MemoryError("no memory for the pages that are on their way")
    for failure in (w.failure, w.writer.failure):
        if failure is not None:
            raise failure
    return recording(w, plan)


cdef void greet(World w) noexcept nogil:
    """Write the header, ask for answers, say that postcopy may come."""
    w.emit(EVENT_SAVEVM_STATE_HEADER)
    put(w, savevm.header_bytes(w))
    if w.has_return_path:
        savevm.command(w, savevm.OPEN_RETURN_PATH, 0)
        savevm.ping(w, 1)
        w.first_pong_ns = max(w.t, w.drain_end) + network.round_trip_ns(w)
        if w.acks.needed == 0:      # then the destination acks when the return path is opened
            w.acks.acked_ns = w.first_pong_ns
    if w.postcopy_possible:
        savevm.command(w, savevm.POSTCOPY_ADVISE, 16 if w.postcopy_ram else 0)


cdef void setup(World w) noexcept nogil:
    """Connect, write the header and the START sections, do the first sync."""
    cdef int64_t setup_start
    w.start_ms = w.now_ms()
    if w.executed:
        execution.begin(w)
    w.set_state(STATE_SETUP)
    timeline.apply(w)
    if w.error:     # nothing is connected yet: cancelled or failed at once
        endings.fail(w)
        return
    endings.destination_is(w, STATE_ACTIVE, w.sides.destination)
    w.t += w.host.thread_start_ns
    w.iteration_start_ms = setup_start = w.now_ms()
    if w.snapshot.on:
        snapshot.prepare(w)     # and nothing limits it
    else:
        w.rate_limit_max = decisions.rate_limit_max(w.parameters.max_bandwidth)
    open_channels(w)
    greet(w)
    if w.auto_converge:
        w.timer_ns = w.t + w.host.throttle_timer_ns
    w.emit(EVENT_SAVEVM_STATE_SETUP)
    w.t += w.host.setup_ns
    if not w.snapshot.on:
        bitmap_sync(w, SYNC_SETUP)
    savevm.setup_sections(w)
    if w.state == STATE_SETUP:      # not if it is cancelled by now
        w.set_state(STATE_ACTIVE)
    w.setup_time_ms = w.now_ms() - setup_start
    w.emit(EVENT_MIGRATION_THREAD_SETUP_COMPLETE)
    if w.snapshot.on:
        snapshot.start(w)


cdef void turn(World w) noexcept nogil:
    """One turn of the loop: a pass if there is budget, then errors, then the limiter."""
    cdef int64_t decision = DECISION_ITERATE
    preempt.serve(w)
    timeline.apply(w)
    settle(w)
    if observed_out(w) or w.poll(1):
        return
    timer_sync(w)
    if w.snapshot.on:
        snapshot.iteration_run(w)
    elif not over_budget(w):
        decision = iteration_run(w)
    if w.finished or decision == DECISION_POSTCOPY_START:
        return
    if w.error or w.state == STATE_CANCELLING:
        handle_error(w)
        return
    if w.snapshot.on:
        update_counters(w)
    else:
        rate_limit(w)


cdef bint observed_out(World w) noexcept nogil:
    """End the run when nobody looks any longer (the migration itself would go on)."""
    if w.observe_ns < 0 or w.t < w.observe_ns:
        return False
    if w.cpus.executing:    # what the vCPUs did is told in events
        advance(w)
    w.total_time_ms = w.now_ms() - w.start_ms
    w.finished = True
    return True


cdef int64_t iteration_run(World w) noexcept nogil:
    """One pass: how much is left, what follows from it, and if nothing does, send."""
    cdef int64_t must, can, estimate, exact = -1, threshold, decision
    cdef passes.Pass began = passes.begin(w)
    cdef bint able = may_switch_over(w)
    savevm.pending(w, False, &must, &can)
    estimate = must + can
    w.emit(EVENT_MIGRATE_PENDING_ESTIMATE, estimate, must, can)
    if exact_wanted(w, estimate):
        pending_exact(w, &must, &can)
        exact = must + can
    threshold = w.threshold_size
    decision = decide(w, must + can, must, able)
    if began.in_postcopy:
        postcopy.leave_device_state(w, must + can)
    if decision == DECISION_POSTCOPY_START:
        postcopy.start(w)
    elif decision == DECISION_COMPLETE:
        w.emit(EVENT_MIGRATION_THREAD_LOW_PENDING, must + can)
        complete(w)
    else:
        savevm.iterate(w)
    passes.record(w, &began, estimate, exact, threshold, decision)
    return decision


cdef bint exact_wanted(World w, int64_t estimate) noexcept nogil:
    """Whether this pass asks for the exact size, by the rule in force."""
    if w.exact_each_pass:
        return decisions.exact_wanted_each_pass(w.in_postcopy())
    if w.rule_after:
        return decisions.exact_wanted_after(w.in_postcopy(), estimate, w.threshold_size)
    return decisions.exact_wanted_before(estimate, w.threshold_size)


cdef void pending_exact(World w, int64_t *must, int64_t *can) noexcept nogil:
    """Ask every handler for its exact size; RAM fetches the dirty log, except in postcopy."""
    if w.in_postcopy():
        w.exact_queries_in_postcopy += 1
    else:
        bitmap_sync(w, SYNC_EXACT)
    savevm.pending(w, True, must, can)
    w.emit(EVENT_MIGRATE_PENDING_EXACT, must[0] + can[0], must[0], can[0])


cdef bint may_switch_over(World w) noexcept nogil:
    """Whether the destination has acknowledged the switchover, if that is waited for."""
    return decisions.can_switchover(w.acks.awaited, w.vm_running, 0 <= w.acks.acked_ns <= w.t)


cdef int64_t decide(World w, int64_t pending, int64_t must, bint able) noexcept nogil:
    """Complete, start postcopy or iterate, by the rule in force."""
    if w.rule_after:
        return decisions.completion_after(w.in_postcopy(), pending, must, w.threshold_size, able,
                                          w.start_postcopy)
    return decisions.completion_before(w.in_postcopy(), pending, must, w.threshold_size, able,
                                       w.start_postcopy)


cdef void complete(World w) noexcept nogil:
    """Finish, in the way of the phase."""
    if w.in_postcopy():
        switchover.complete_postcopy(w)
    else:
        switchover.complete_precopy(w)


cdef void handle_error(World w) noexcept nogil:
    """Fail, or pause if the guest already runs on the destination (migration_detect_error)."""
    if decisions.state_after_channel_error(w.state, False) == STATE_POSTCOPY_PAUSED:
        if postcopy.pause(w):
            reset_window(w)
        return
    endings.fail(w)
