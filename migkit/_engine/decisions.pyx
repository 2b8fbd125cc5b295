"""Every rule of QEMU's migration thread that decides something, one small pure function each.

Compiled, for the loop (``cimport``) and for Python alike; `migkit.oracle.decisions` has the same
functions in plain Python, tests hold the two equal. No function keeps state or raises: arguments
are non-negative integers below 2**63 (below 2**53 where one is multiplied: ``dirty_pages_rate``
and ``throttle_*``), times that divide are at least 1 ms; states and decisions are the codes of
``migkit.schema``. A double that does not fit an integer becomes the largest one.
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine.types cimport (
    DECISION_COMPLETE, DECISION_ITERATE, DECISION_POSTCOPY_START, PAGE_BYTES,
    STATE_ACTIVE, STATE_DEVICE, STATE_FAILED, STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_DEVICE,
    STATE_POSTCOPY_PAUSED, STATE_POSTCOPY_RECOVER, STATE_POSTCOPY_RECOVER_SETUP,
    STATE_PRE_SWITCHOVER, STATE_SETUP, STATE_WAIT_UNPLUG,
)

cdef enum:
    WINDOW_MS = 100  # BUFFER_DELAY
    WINDOWS_PER_S = 10  # XFER_LIMIT_RATIO
    PASS_LIMIT_MS = 50  # MAX_WAIT
    SYNC_PERIOD_MS = 1000
    THROTTLE_SLICE_NS = 10_000_000  # CPU_THROTTLE_TIMESLICE_NS
    DIRTY_LIMIT_TOLERANCE = 25  # MB/s, DIRTYLIMIT_TOLERANCE_RANGE
    DIRTY_LIMIT_LINEAR_PERCENT = 50  # DIRTYLIMIT_LINEAR_ADJUSTMENT_PCT
    DIRTY_LIMIT_MAX_PERCENT = 99  # DIRTYLIMIT_THROTTLE_PCT_MAX


cdef inline int64_t truncated(double value) noexcept nogil:
    """Store a non-negative double in an integer, saturating where C leaves it undefined."""
    return <int64_t>value if value < 9223372036854775808.0 else INT64_MAX


cpdef bint exact_wanted_before(int64_t pending, int64_t threshold) noexcept nogil:
    """Whether a pass asks for exact pending bytes, in precopy and postcopy alike."""
    return pending < threshold


cpdef bint exact_wanted_after(bint in_postcopy, int64_t pending, int64_t threshold) noexcept nogil:
    """Whether a pass asks for exact pending bytes: in precopy only."""
    return not in_postcopy and pending < threshold


cpdef int completion_before(
    bint in_postcopy, int64_t pending, int64_t must_precopy, int64_t threshold,
    bint can_switchover, bint start_postcopy,
) noexcept nogil:
    """Decide a pass by the rule before the rewrite: completion is tested first, in any phase.

    ``pending`` and ``must_precopy`` are the exact values where ``exact_wanted_before``.
    """
    if can_switchover and (pending == 0 or pending < threshold):
        return DECISION_COMPLETE
    if not in_postcopy and can_switchover and start_postcopy and must_precopy <= threshold:
        return DECISION_POSTCOPY_START
    return DECISION_ITERATE


cpdef int completion_after(
    bint in_postcopy, int64_t pending, int64_t must_precopy, int64_t threshold,
    bint can_switchover, bint start_postcopy,
) noexcept nogil:
    """Decide a pass by the rewritten rule: postcopy ends at zero pending and nothing else.

    ``pending`` and ``must_precopy`` are the exact values where ``exact_wanted_after``.
    """
    if in_postcopy:
        return DECISION_COMPLETE if pending == 0 else DECISION_ITERATE
    if can_switchover and start_postcopy and must_precopy <= threshold:
        return DECISION_POSTCOPY_START
    if can_switchover and pending <= threshold:
        return DECISION_COMPLETE
    return DECISION_ITERATE


cpdef bint can_switchover(bint switchover_ack, bint vm_running, bint acked) noexcept nogil:
    """Whether the destination allows the switch (migration_can_switchover)."""
    return not switchover_ack or not vm_running or acked


cpdef bint postcopy_device_over(bint package_loaded, int64_t pending) noexcept nogil:
    """Whether postcopy-device gives way to postcopy-active in this pass (since 10.2)."""
    return package_loaded or pending == 0


cpdef bint window_closes(int64_t now_ms, int64_t start_ms) noexcept nogil:
    """Whether the 100 ms window is over and counters are updated (migration_update_counters)."""
    return now_ms - start_ms >= WINDOW_MS


cpdef double window_bandwidth(int64_t transferred, int64_t time_spent_ms) noexcept nogil:
    """Bytes per millisecond of a window of ``time_spent_ms`` >= 1."""
    return <double>transferred / <double>time_spent_ms


cpdef double switchover_bandwidth(
    int64_t transferred, int64_t time_spent_ms, int64_t avail_switchover_bandwidth,
) noexcept nogil:
    """Bytes per millisecond that the switchover is reckoned with.

    ``avail_switchover_bandwidth`` (bytes/s, 0 = not set) is divided as an integer: 999 gives 0.
    """
    if avail_switchover_bandwidth != 0:
        return <double>(avail_switchover_bandwidth // 1000)
    return window_bandwidth(transferred, time_spent_ms)


cpdef int64_t threshold_size(
    int64_t transferred, int64_t time_spent_ms, int64_t avail_switchover_bandwidth,
    int64_t downtime_limit_ms,
) noexcept nogil:
    """Bytes that fit into the downtime limit, by the window just closed."""
    cdef double bandwidth = switchover_bandwidth(
        transferred, time_spent_ms, avail_switchover_bandwidth
    )
    return truncated(bandwidth * <double>downtime_limit_ms)


cpdef bint expected_downtime_refreshed(
    int64_t dirty_pages_rate, int64_t transferred,
) noexcept nogil:
    """Whether this window renews the expected downtime."""
    return dirty_pages_rate != 0 and transferred > 10000


cpdef int64_t expected_downtime_ms(
    int64_t dirty_bytes_last_sync, int64_t transferred, int64_t time_spent_ms,
    int64_t avail_switchover_bandwidth,
) noexcept nogil:
    """Milliseconds the last sync's dirty bytes would take; the largest integer at bandwidth 0."""
    cdef double bandwidth = switchover_bandwidth(
        transferred, time_spent_ms, avail_switchover_bandwidth
    )
    if bandwidth == 0.0:
        return INT64_MAX
    return truncated(<double>dirty_bytes_last_sync / bandwidth)


cpdef double mbps(int64_t transferred, int64_t time_spent_ms) noexcept nogil:
    """Megabits (10**6) per second of a window."""
    return <double>transferred * 8.0 / (<double>time_spent_ms / 1000.0) / 1000.0 / 1000.0


cpdef double mbps_whole(int64_t transferred, int64_t transfer_time_ms, double last) noexcept nogil:
    """Megabits per second from setup to completion; at 0 ms the last window's value stays."""
    if transfer_time_ms == 0:
        return last
    return <double>transferred * 8.0 / <double>transfer_time_ms / 1000.0


cpdef double pages_per_second(int64_t pages, int64_t time_spent_ms) noexcept nogil:
    """Pages sent in a window, per second; query-migrate truncates it."""
    return <double>pages / (<double>time_spent_ms / 1000.0)


cpdef int64_t completed_downtime_ms(
    int64_t downtime_ms, int64_t downtime_start_ms, int64_t end_ms,
) noexcept nogil:
    """Downtime stored at completion: a stored 0 reads as "not set yet" and is overwritten."""
    return downtime_ms if downtime_ms != 0 else end_ms - downtime_start_ms


cpdef int64_t rate_limit_max(int64_t bandwidth) noexcept nogil:
    """Bytes a window may send at ``bandwidth`` bytes/s; 0 = unlimited (migration_rate_set)."""
    return bandwidth // WINDOWS_PER_S


cpdef bint rate_exceeded(
    int64_t transferred, int64_t rate_limit_start, int64_t rate_limit_max,
) noexcept nogil:
    """Whether the window's budget is used up: strictly more than the maximum."""
    return rate_limit_max != 0 and transferred - rate_limit_start > rate_limit_max


cpdef int64_t rate_limit_sleep_ms(int64_t iteration_start_ms, int64_t now_ms) noexcept nogil:
    """Milliseconds the limiter sleeps, to the end of the window (migration_rate_limit)."""
    return iteration_start_ms + WINDOW_MS - now_ms


cpdef bint pass_time_over(int64_t elapsed_ns) noexcept nogil:
    """Whether a pass has run long enough (migration/ram.c, ram_save_iterate): whole ms > 50."""
    return elapsed_ns // 1000000 > PASS_LIMIT_MS


cpdef bint sync_period_over(int64_t now_ms, int64_t last_sync_ms) noexcept nogil:
    """Whether this sync closes a period (migration_bitmap_sync): strictly more than 1 s."""
    return now_ms - last_sync_ms > SYNC_PERIOD_MS


cpdef int64_t dirty_pages_rate(int64_t period_pages, int64_t period_ms) noexcept nogil:
    """Pages per second of a period of ``period_ms`` >= 1 (migration_update_rates)."""
    return period_pages * 1000 // period_ms


cpdef int64_t throttle_threshold_bytes(
    int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil:
    """Dirty bytes a period may show before it counts as bad (migration_trigger_throttle)."""
    return transferred_bytes * throttle_trigger_threshold // 100


cpdef bint throttle_wanted(
    int64_t dirty_bytes, int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil:
    """Whether the guest dirtied too much in the period."""
    return dirty_bytes > throttle_threshold_bytes(transferred_bytes, throttle_trigger_threshold)


cpdef bint throttle_acts(int64_t count, bint wanted) noexcept nogil:
    """Whether a closed period throttles: every second bad one does."""
    return wanted and count + 1 >= 2


cpdef int64_t throttle_count(int64_t count, bint wanted) noexcept nogil:
    """Count of bad periods after a closed one; good ones forget nothing."""
    return 0 if throttle_acts(count, wanted) else count + wanted


cpdef (int64_t, bint) throttle_count_step(int64_t count, bint wanted) noexcept nogil:
    """Both at once: the count after the period, and whether it throttles."""
    return throttle_count(count, wanted), throttle_acts(count, wanted)


cpdef int64_t throttle_step(
    int64_t current, int64_t initial, int64_t increment, bint tailslow, int64_t maximum,
    int64_t threshold_bytes, int64_t dirty_bytes,
) noexcept nogil:
    """Percentage asked for next (throttle_guest_down), for ``dirty_bytes > threshold_bytes``."""
    cdef int64_t cpu_now, cpu_ideal
    if current == 0:
        return initial
    if tailslow:
        cpu_now = 100 - current
        cpu_ideal = <int64_t>(<double>cpu_now * (<double>threshold_bytes / <double>dirty_bytes))
        increment = min(cpu_now - cpu_ideal, increment)
    return min(current + increment, maximum)


cpdef int64_t throttle_clamped(int64_t percentage) noexcept nogil:
    """Percentage in force once asked for (cpu_throttle_set)."""
    return min(max(percentage, 1), 99)


cpdef int64_t throttle_sleep_ns(int64_t percentage) noexcept nogil:
    """Sleep of a vCPU in each throttle period, for 1..99 percent (cpu_throttle_thread)."""
    cdef double share = <double>percentage / 100.0
    return <int64_t>(share / (1.0 - share) * <double>THROTTLE_SLICE_NS + 1.0)


cpdef int64_t throttle_period_ns(int64_t percentage) noexcept nogil:
    """Time from one throttle tick to the next, for 1..99 percent (cpu_throttle_timer_tick)."""
    return <int64_t>(<double>THROTTLE_SLICE_NS / (1.0 - <double>percentage / 100.0))


cpdef bint throttle_timer_sync_due(int64_t count, int64_t previous) noexcept nogil:
    """Whether the 5 s timer syncs: none since its last tick, and not in the first sweep."""
    return count > 1 and count == previous


cpdef int64_t dirty_limit_full_us(int64_t ring_pages, int64_t max_rate) noexcept nogil:
    """Time to fill a vCPU's dirty ring at ``max_rate`` >= 1 MB/s (system/dirtylimit.c)."""
    return (ring_pages * PAGE_BYTES >> 20) * 1000000 // max_rate


cpdef (int64_t, int64_t) dirty_limit_step(
    int64_t quota, int64_t current, int64_t throttle_us, int64_t ring_pages, int64_t max_rate,
) noexcept nogil:
    """Adjust a vCPU's sleep per full ring (dirtylimit_adjust_throttle).

    Rates are MB/s below 2**31, ``quota`` >= 1, ``ring_pages`` at most 65536. Gives the new
    ``throttle_us`` and the largest rate seen so far, which only ever grows.
    """
    cdef int64_t full_us, percent, step
    cdef int64_t difference = quota - current if quota > current else current - quota
    if difference <= DIRTY_LIMIT_TOLERANCE:
        return throttle_us, max_rate
    if current == 0:
        return 0, max_rate
    max_rate = max(max_rate, current)
    full_us = dirty_limit_full_us(ring_pages, max_rate)
    percent = difference * 100 // max(quota, current)
    if percent > DIRTY_LIMIT_LINEAR_PERCENT:
        step = <int64_t>(<double>(full_us * percent) / (100.0 - <double>percent))
    else:
        step = full_us // 10
    throttle_us += step if quota < current else -step
    return min(max(throttle_us, 0), full_us * DIRTY_LIMIT_MAX_PERCENT), max_rate


cpdef int state_after_channel_error(int state, bint in_completion) noexcept nogil:
    """State once the main channel broke (migration_detect_error, migration_completion)."""
    if state in (STATE_SETUP, STATE_WAIT_UNPLUG, STATE_ACTIVE, STATE_PRE_SWITCHOVER, STATE_DEVICE):
        return STATE_FAILED
    if state == STATE_POSTCOPY_DEVICE or (state == STATE_POSTCOPY_ACTIVE and in_completion):
        return STATE_FAILED
    if state in (STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_RECOVER_SETUP, STATE_POSTCOPY_RECOVER):
        return STATE_POSTCOPY_PAUSED
    return state
