"""Every rule of QEMU's migration thread that decides something, one small pure function each.

Nothing here keeps state and nothing elsewhere decides: the loop asks. Functions of the same
names, compiled, are in ``migkit._engine.decisions``; tests hold the two equal.

Numbers are QEMU's own: non-negative integers below 2**63 (below 2**53 in ``dirty_pages_rate``),
with the unit in the name; states and decisions are the codes of ``codes``. Where QEMU computes in
double precision so does this module; a double that C could not store in an integer (infinite, too
large) becomes the largest integer.

The rules are those of QEMU 10.2 (``migration/migration.c``, ``ram.c``);
``*_before`` is the completion rule of ``migration_iteration_run`` up to 10.0, ``*_after`` since.
"""

from migkit.oracle.codes import Decision, State

WINDOW_MS = 100  # BUFFER_DELAY
WINDOWS_PER_S = 10  # XFER_LIMIT_RATIO
PASS_LIMIT_MS = 50  # MAX_WAIT
SYNC_PERIOD_MS = 1000

_INT64_MAX = (1 << 63) - 1
_FAIL = {State.SETUP, State.WAIT_UNPLUG, State.ACTIVE, State.PRE_SWITCHOVER}
_FAIL |= {State.DEVICE, State.POSTCOPY_DEVICE}
_PAUSE = {State.POSTCOPY_RECOVER_SETUP, State.POSTCOPY_RECOVER}


def _truncated(value: float) -> int:
    """Store a non-negative double in a 64-bit integer, saturating where C leaves it undefined."""
    return int(value) if value < 2.0**63 else _INT64_MAX


def exact_wanted_before(pending: int, threshold: int) -> bool:
    """Whether a pass asks for exact pending bytes, in precopy and postcopy alike."""
    return pending < threshold


def exact_wanted_after(in_postcopy: bool, pending: int, threshold: int) -> bool:
    """Whether a pass asks for exact pending bytes: in precopy only."""
    return not in_postcopy and pending < threshold


def exact_wanted_each_pass(in_postcopy: bool) -> bool:
    """Whether a pass asks for exact pending bytes: in precopy always (11.1 with postcopy-ram)."""
    return not in_postcopy


def sync_counted(stopped: bool, counts_stopped: bool) -> bool:
    """Whether a sync counts in dirty-sync-count: not that of a stopped guest since 11.1."""
    return counts_stopped or not stopped


def completion_before(
    in_postcopy: bool,
    pending: int,
    must_precopy: int,
    threshold: int,
    can_switchover: bool,
    start_postcopy: bool,
) -> int:
    """Decide a pass by the rule before the rewrite: completion is tested first, in any phase.

    ``pending`` and ``must_precopy`` are the exact values where ``exact_wanted_before``.
    """
    if can_switchover and (pending == 0 or pending < threshold):
        return Decision.COMPLETE
    if not in_postcopy and can_switchover and start_postcopy and must_precopy <= threshold:
        return Decision.POSTCOPY_START
    return Decision.ITERATE


def completion_after(
    in_postcopy: bool,
    pending: int,
    must_precopy: int,
    threshold: int,
    can_switchover: bool,
    start_postcopy: bool,
) -> int:
    """Decide a pass by the rewritten rule: postcopy ends at zero pending and nothing else.

    ``pending`` and ``must_precopy`` are the exact values where ``exact_wanted_after``.
    """
    if in_postcopy:
        return Decision.COMPLETE if pending == 0 else Decision.ITERATE
    if can_switchover and start_postcopy and must_precopy <= threshold:
        return Decision.POSTCOPY_START
    if can_switchover and pending <= threshold:
        return Decision.COMPLETE
    return Decision.ITERATE


def can_switchover(switchover_ack: bool, vm_running: bool, acked: bool) -> bool:
    """Whether the destination allows the switch (migration_can_switchover)."""
    return not switchover_ack or not vm_running or acked


def postcopy_device_over(package_loaded: bool, pending: int) -> bool:
    """Whether postcopy-device gives way to postcopy-active in this pass (since 10.2)."""
    return package_loaded or pending == 0


def window_closes(now_ms: int, start_ms: int) -> bool:
    """Whether the 100 ms window is over and counters are updated (migration_update_counters)."""
    return now_ms - start_ms >= WINDOW_MS


def window_bandwidth(transferred: int, time_spent_ms: int) -> float:
    """Bytes per millisecond of a window of ``time_spent_ms`` >= 1."""
    return float(transferred) / float(time_spent_ms)


def switchover_bandwidth(
    transferred: int, time_spent_ms: int, avail_switchover_bandwidth: int
) -> float:
    """Bytes per millisecond that the switchover is reckoned with.

    ``avail_switchover_bandwidth`` (bytes/s, 0 = not set) is divided as an integer: 999 gives 0.
    """
    if avail_switchover_bandwidth != 0:
        return float(avail_switchover_bandwidth // 1000)
    return window_bandwidth(transferred, time_spent_ms)


def threshold_size(
    transferred: int, time_spent_ms: int, avail_switchover_bandwidth: int, downtime_limit_ms: int
) -> int:
    """Bytes that fit into the downtime limit, by the window just closed."""
    bandwidth = switchover_bandwidth(transferred, time_spent_ms, avail_switchover_bandwidth)
    return _truncated(bandwidth * float(downtime_limit_ms))


def expected_downtime_refreshed(dirty_pages_rate: int, transferred: int) -> bool:
    """Whether this window renews the expected downtime."""
    return dirty_pages_rate != 0 and transferred > 10000


def expected_downtime_ms(
    dirty_bytes_last_sync: int,
    transferred: int,
    time_spent_ms: int,
    avail_switchover_bandwidth: int,
) -> int:
    """Milliseconds the last sync's dirty bytes would take; the largest integer at bandwidth 0."""
    bandwidth = switchover_bandwidth(transferred, time_spent_ms, avail_switchover_bandwidth)
    if bandwidth == 0.0:
        return _INT64_MAX
    return _truncated(float(dirty_bytes_last_sync) / bandwidth)


def mbps(transferred: int, time_spent_ms: int) -> float:
    """Megabits (10**6) per second of a window."""
    return float(transferred) * 8.0 / (float(time_spent_ms) / 1000.0) / 1000.0 / 1000.0


def mbps_whole(transferred: int, transfer_time_ms: int, last: float) -> float:
    """Megabits per second from setup to completion; at 0 ms the last window's value stays."""
    if transfer_time_ms == 0:
        return last
    return float(transferred) * 8.0 / float(transfer_time_ms) / 1000.0


def pages_per_second(pages: int, time_spent_ms: int) -> float:
    """Pages sent in a window, per second; query-migrate truncates it."""
    return float(pages) / (float(time_spent_ms) / 1000.0)


def completed_downtime_ms(downtime_ms: int, downtime_start_ms: int, end_ms: int) -> int:
    """Downtime stored at completion: a stored 0 reads as "not set yet" and is overwritten."""
    return downtime_ms if downtime_ms != 0 else end_ms - downtime_start_ms


def blackout_ms(blackout_ns: int, into_ms_ns: int) -> int:
    """Downtime stored when postcopy starts: a difference of the truncated millisecond clock.

    `into_ms_ns` is how far into a millisecond the clock was when the guest stopped.
    """
    return (into_ms_ns + blackout_ns) // 1_000_000


def rate_limit_max(bandwidth: int) -> int:
    """Bytes a window may send at ``bandwidth`` bytes/s; 0 = unlimited (migration_rate_set)."""
    return bandwidth // WINDOWS_PER_S


def rate_exceeded(transferred: int, rate_limit_start: int, rate_limit_max: int) -> bool:
    """Whether the window's budget is used up: strictly more than the maximum."""
    return rate_limit_max != 0 and transferred - rate_limit_start > rate_limit_max


def rate_limit_sleep_ms(iteration_start_ms: int, now_ms: int) -> int:
    """Milliseconds the limiter sleeps, to the end of the window (migration_rate_limit)."""
    return iteration_start_ms + WINDOW_MS - now_ms


def pass_time_over(elapsed_ns: int) -> bool:
    """Whether a pass has run long enough (migration/ram.c, ram_save_iterate): whole ms > 50."""
    return elapsed_ns // 1_000_000 > PASS_LIMIT_MS


def sync_period_over(now_ms: int, last_sync_ms: int) -> bool:
    """Whether this sync closes a period (migration_bitmap_sync): strictly more than 1 s."""
    return now_ms - last_sync_ms > SYNC_PERIOD_MS


def dirty_pages_rate(period_pages: int, period_ms: int) -> int:
    """Pages per second of a period of ``period_ms`` >= 1 (migration_update_rates)."""
    return period_pages * 1000 // period_ms


def state_after_channel_error(state: int, in_completion: bool) -> int:
    """State once the main channel broke (migration_detect_error, migration_completion)."""
    if state in _FAIL or (state == State.POSTCOPY_ACTIVE and in_completion):
        return State.FAILED
    if state in _PAUSE or state == State.POSTCOPY_ACTIVE:
        return State.POSTCOPY_PAUSED
    return state
