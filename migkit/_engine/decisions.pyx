"""Every rule of QEMU's migration thread that decides something, one small pure function each.

Compiled, for the loop (``cimport``) and for Python alike; `migkit.oracle.decisions` has the same
functions in plain Python, tests hold the two equal. No function keeps state or raises: arguments
are non-negative integers below 2**63 (below 2**53 in ``dirty_pages_rate``), times that divide are
at least 1 ms; states and decisions are the codes of ``migkit.schema``. A double that does not fit
an integer becomes the largest one.
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine.types cimport (
    DECISION_COMPLETE, DECISION_ITERATE, DECISION_POSTCOPY_START,
    STATE_ACTIVE, STATE_DEVICE, STATE_FAILED, STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_DEVICE,
    STATE_POSTCOPY_PAUSED, STATE_POSTCOPY_RECOVER, STATE_POSTCOPY_RECOVER_SETUP,
    STATE_PRE_SWITCHOVER, STATE_SETUP, STATE_WAIT_UNPLUG,
)

cdef enum:
    WINDOW_MS = 100  # BUFFER_DELAY
    WINDOWS_PER_S = 10  # XFER_LIMIT_RATIO
    PASS_LIMIT_MS = 50  # MAX_WAIT
    SYNC_PERIOD_MS = 1000


cdef inline int64_t truncated(double value) noexcept nogil:
    """Store a non-negative double in an integer, saturating where C leaves it undefined."""
    return <int64_t>value if value < 9223372036854775808.0 else INT64_MAX


cpdef bint exact_wanted_before(int64_t pending, int64_t threshold) noexcept nogil:
    """Whether a pass asks for exact pending bytes, in precopy and postcopy alike."""
    return pending < threshold


cpdef bint exact_wanted_after(bint in_postcopy, int64_t pending, int64_t threshold) noexcept nogil:
    """Whether a pass asks for exact pending bytes: in precopy only."""
    return not in_postcopy and pending < threshold


cpdef bint exact_wanted_each_pass(bint in_postcopy) noexcept nogil:
    """Whether a pass asks for exact pending bytes: in precopy always (11.1 with postcopy-ram)."""
    return not in_postcopy


cpdef bint sync_counted(bint stopped, bint counts_stopped) noexcept nogil:
    """Whether a sync counts in dirty-sync-count: not that of a stopped guest since 11.1."""
    return counts_stopped or not stopped


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


cpdef int64_t blackout_ms(int64_t blackout_ns, int64_t into_ms_ns) noexcept nogil:
    """Downtime stored when postcopy starts: a difference of the truncated millisecond clock.

    `into_ms_ns` is how far into a millisecond the clock was when the guest stopped.
    """
    return (into_ms_ns + blackout_ns) // 1_000_000


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


cpdef int state_after_channel_error(int state, bint in_completion) noexcept nogil:
    """State once the main channel broke (migration_detect_error, migration_completion)."""
    if state in (STATE_SETUP, STATE_WAIT_UNPLUG, STATE_ACTIVE, STATE_PRE_SWITCHOVER, STATE_DEVICE):
        return STATE_FAILED
    if state == STATE_POSTCOPY_DEVICE or (state == STATE_POSTCOPY_ACTIVE and in_completion):
        return STATE_FAILED
    if state in (STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_RECOVER_SETUP, STATE_POSTCOPY_RECOVER):
        return STATE_POSTCOPY_PAUSED
    return state
