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
    switchover,
    timeline,
)
from migkit.oracle.codes import Decision, Event, State, SyncReason
from migkit.oracle.draws import counter
from migkit.oracle.stream import put, rate_exceeded
from migkit.oracle.sync import bitmap_sync, timer_sync
from migkit.oracle.world import World

WINDOW_MS = 100


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
    w.destination_state = State.ACTIVE
    w.t += plan.host.thread_start_ns
    w.rate_limit_max = decisions.rate_limit_max(w.parameters["max-bandwidth"])
    w.iteration_start_ms = w.now_ms()
    setup_start = w.now_ms()
    senders.open_channels(w)
    w.emit(Event.SAVEVM_STATE_HEADER)
    put(w, savevm.header_bytes(w))
    if plan.has_return_path:
        savevm.command(w, savevm.OPEN_RETURN_PATH, 0)
        savevm.ping(w, 1)
        w.first_pong_ns = max(w.t, w.drain_end) + network.round_trip_ns(w)
    if plan.postcopy_possible:
        savevm.command(w, savevm.POSTCOPY_ADVISE, 16 if plan.postcopy_ram else 0)
    if plan.auto_converge:
        w.timer_ns = w.t + plan.host.throttle_timer_ns
    w.emit(Event.SAVEVM_STATE_SETUP)
    w.t += plan.host.setup_ns
    bitmap_sync(w, SyncReason.SETUP)
    savevm.setup_sections(w)
    if w.state == State.SETUP:  # not if it is cancelled by now
        w.set_state(State.ACTIVE)
    w.setup_time_ms = w.now_ms() - setup_start
    w.emit(Event.MIGRATION_THREAD_SETUP_COMPLETE)


def turn(w: World) -> None:
    """One turn of the loop: a pass if there is budget, then errors, then the limiter."""
    preempt.serve(w)
    timeline.apply(w)
    senders.settle(w)
    if observed_out(w):
        return
    timer_sync(w)
    if not rate_exceeded(w):
        decision = iteration_run(w)
        if w.finished or decision == Decision.POSTCOPY_START:
            return
    if w.error or w.state == State.CANCELLING:
        handle_error(w)
        return
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
    w.t += w.plan.host.pass_ns
    started, before = w.t, (w.transferred, w.normal_pages, w.zero_pages)
    must, can = savevm.pending(w)
    estimate, exact = must + can, -1
    in_postcopy, state = w.in_postcopy, w.state
    w.emit(Event.MIGRATE_PENDING_ESTIMATE, estimate, must, can)
    if exact_wanted(w, estimate):
        must, can = pending_exact(w)
        exact = must + can
    threshold = w.threshold_size
    decision = decide(w, must + can, must)
    if in_postcopy:
        postcopy.leave_device_state(w, must + can)
    if decision == Decision.POSTCOPY_START:
        postcopy.start(w)
    elif decision == Decision.COMPLETE:
        w.emit(Event.MIGRATION_THREAD_LOW_PENDING, must + can)
        complete(w)
    else:
        savevm.iterate(w)
    w.tables["iterations"].append(
        (
            started,
            int(state),
            int(in_postcopy),
            estimate,
            exact,
            threshold,
            int(decision),
            w.t,
            w.transferred - before[0],
            w.normal_pages - before[1],
            w.zero_pages - before[2],
        )
    )
    return decision


def exact_wanted(w: World, estimate: int) -> bool:
    """Whether this pass asks for the exact size, by the rule in force."""
    if w.plan.rule_after:
        return decisions.exact_wanted_after(w.in_postcopy, estimate, w.threshold_size)
    return decisions.exact_wanted_before(estimate, w.threshold_size)


def pending_exact(w: World) -> tuple[int, int]:
    """Ask every handler for its exact size; RAM fetches the dirty log, except in postcopy."""
    if w.in_postcopy:
        w.exact_queries_in_postcopy += 1
    else:
        bitmap_sync(w, SyncReason.EXACT)
    must, can = savevm.pending(w)
    w.emit(Event.MIGRATE_PENDING_EXACT, must + can, must, can)
    return must, can


def decide(w: World, pending: int, must: int) -> Decision:
    """Complete, start postcopy or iterate, by the rule in force."""
    rule = decisions.completion_after if w.plan.rule_after else decisions.completion_before
    able = decisions.can_switchover(False, w.vm_running, False)
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


def reset_window(w: World) -> None:
    """Start a new accounting window (update_iteration_initial_status)."""
    w.iteration_start_ms = w.now_ms()
    w.window_initial_bytes = w.transferred
    w.window_initial_pages = w.pages_sent


def rate_limit(w: World) -> None:
    """Close the window if it is over; sleep if its budget is used up (migration_rate_limit)."""
    update_counters(w)
    if not rate_exceeded(w):
        return
    sleep_ms = decisions.rate_limit_sleep_ms(w.iteration_start_ms, w.now_ms())
    if sleep_ms > 0:
        sleep(w, sleep_ms * 1_000_000 + w.plan.host.limiter_wake_ns + lateness(w))


def lateness(w: World) -> int:
    """Draw how late this wake-up comes beyond the usual."""
    late = w.plan.limiter_late_ns
    if not late:
        return 0
    number = counter(w.plan.noise_key, w.wakes)
    w.wakes += 1
    return late[number * len(late) >> 64]


def sleep(w: World, duration_ns: int) -> None:
    """Let the thread sleep; an observer who leaves meanwhile ends the run."""
    awake_ns = w.t + duration_ns
    if w.t < w.timer_ns <= awake_ns:  # the main thread syncs meanwhile
        w.t = w.timer_ns
        timer_sync(w)
    w.t = max(w.t, awake_ns)
    if 0 <= w.plan.observe_ns < w.t:
        w.t = w.plan.observe_ns


def update_counters(w: World) -> None:
    """Measure the window: bandwidth, threshold, rates (migration_update_counters)."""
    now = w.now_ms()
    if not decisions.window_closes(now, w.iteration_start_ms):
        return
    preempt.serve(w)
    senders.settle(w)
    moved = w.transferred - w.window_initial_bytes
    spent = now - w.iteration_start_ms
    available = w.parameters["avail-switchover-bandwidth"]
    bandwidth = int(decisions.window_bandwidth(moved, spent))
    w.threshold_size = decisions.threshold_size(
        moved, spent, available, w.parameters["downtime-limit"]
    )
    w.mbps = decisions.mbps(moved, spent)
    pages = w.pages_sent - w.window_initial_pages
    w.pages_per_second = decisions.pages_per_second(pages, spent)
    if decisions.expected_downtime_refreshed(w.dirty_pages_rate, moved):
        w.expected_downtime_ms = decisions.expected_downtime_ms(
            w.dirty_bytes_last_sync, moved, spent, available
        )
    w.rate_limit_start = w.transferred
    reset_window(w)
    row = (moved, spent, bandwidth, available // 1000, w.threshold_size)
    w.emit(Event.MIGRATE_TRANSFERRED, *row)
    w.tables["windows"].append((w.t, *row))
