"""The rate limiter and its windows of 100 ms (migration_rate_limit, migration_update_counters)."""

from __future__ import annotations

from migkit.oracle import decisions, preempt, senders
from migkit.oracle.codes import Event
from migkit.oracle.draws import counter
from migkit.oracle.stream import rate_exceeded
from migkit.oracle.sync import timer_sync
from migkit.oracle.world import World


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
