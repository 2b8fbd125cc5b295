"""The rate limiter and its windows of 100 ms (migration_rate_limit, migration_update_counters)."""

from libc.stdint cimport int64_t, uint64_t

from migkit._engine cimport decisions, preempt
from migkit._engine.draws cimport counter, high_half
from migkit._engine.senders cimport settle
from migkit._engine.stream cimport over_budget
from migkit._engine.sync cimport timer_sync
from migkit._engine.types cimport EVENT_MIGRATE_TRANSFERRED
from migkit._engine.world cimport World


cdef void reset_window(World w) noexcept nogil:
    """Start a new accounting window (update_iteration_initial_status)."""
    w.iteration_start_ms = w.now_ms()
    w.window_initial_bytes = w.transferred
    w.window_initial_pages = w.pages_sent()


cdef void rate_limit(World w) noexcept nogil:
    """Close the window if it is over; sleep if its budget is used up (migration_rate_limit)."""
    cdef int64_t sleep_ms
    update_counters(w)
    if not over_budget(w):
        return
    sleep_ms = decisions.rate_limit_sleep_ms(w.iteration_start_ms, w.now_ms())
    if sleep_ms > 0:
        sleep(w, sleep_ms * 1_000_000 + w.host.limiter_wake_ns + lateness(w))


cdef int64_t lateness(World w) noexcept nogil:
    """Draw how late this wake-up comes beyond the usual."""
    cdef uint64_t number
    if w.limiter_late_count == 0:
        return 0
    number = counter(w.noise_key, <uint64_t> w.wakes)
    w.wakes += 1
    return w.limiter_late[high_half(number, <uint64_t> w.limiter_late_count)]


cdef void sleep(World w, int64_t duration_ns) noexcept nogil:
    """Let the thread sleep; an observer who leaves meanwhile ends the run."""
    cdef int64_t awake_ns = w.t + duration_ns
    if w.t < w.timer_ns <= awake_ns:    # the main thread syncs meanwhile
        w.t = w.timer_ns
        timer_sync(w)
    w.t = max(w.t, awake_ns)
    if 0 <= w.observe_ns < w.t:
        w.t = w.observe_ns


cdef void update_counters(World w) noexcept nogil:
    """Measure the window: bandwidth, threshold, rates (migration_update_counters)."""
    cdef int64_t now = w.now_ms(), moved, spent, bandwidth
    cdef int64_t available = w.parameters.avail_switchover_bandwidth
    if not decisions.window_closes(now, w.iteration_start_ms):
        return
    preempt.serve(w)
    settle(w)
    moved = w.transferred - w.window_initial_bytes
    spent = now - w.iteration_start_ms
    bandwidth = <int64_t> decisions.window_bandwidth(moved, spent)
    w.threshold_size = decisions.threshold_size(moved, spent, available,
                                                w.parameters.downtime_limit_ms)
    w.mbps = decisions.mbps(moved, spent)
    w.pages_per_second = decisions.pages_per_second(
        w.pages_sent() - w.window_initial_pages, spent
    )
    if decisions.expected_downtime_refreshed(w.dirty_pages_rate, moved):
        w.expected_downtime_ms = decisions.expected_downtime_ms(
            w.dirty_bytes_last_sync, moved, spent, available
        )
    w.rate_limit_start = w.transferred
    reset_window(w)
    w.emit(EVENT_MIGRATE_TRANSFERRED, moved, spent, bandwidth, available // 1000,
           w.threshold_size)
    record_window(w, moved, spent, bandwidth, available // 1000)


cdef void record_window(
    World w, int64_t moved, int64_t spent, int64_t bandwidth, int64_t available
) noexcept nogil:
    """Append a row to the windows."""
    cdef int64_t *row = w.windows.new_row()
    row[0] = w.t
    row[1] = moved
    row[2] = spent
    row[3] = bandwidth
    row[4] = available
    row[5] = w.threshold_size
