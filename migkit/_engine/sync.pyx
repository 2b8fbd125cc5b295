"""Fetching the dirty log, and what hangs on its one-second period (migration/ram.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport decisions, throttling
from migkit._engine.guest cimport fetch_log
from migkit._engine.types cimport (
    EVENT_CPU_THROTTLE_SET, EVENT_MIGRATION_BITMAP_SYNC_END, EVENT_MIGRATION_BITMAP_SYNC_START,
    EVENT_MIGRATION_THROTTLE, PAGE_BYTES, SYNC_EXACT, SYNC_TIMER, SyncReason,
)
from migkit._engine.world cimport World


cdef void bitmap_sync(World w, SyncReason reason) noexcept nogil:
    """Merge the guest's dirty log into the migration bitmap (migration_bitmap_sync)."""
    cdef int64_t started, fresh
    cdef int64_t *row
    w.dirty_sync_count += 1
    if w.last_sync_ms == 0:
        w.last_sync_ms = w.now_ms()
    started = w.t
    w.emit(EVENT_MIGRATION_BITMAP_SYNC_START)
    fresh = fetch_log(w)
    w.dirty_pages += fresh
    w.period_dirty_pages += fresh
    w.dirty_bytes_last_sync = w.dirty_pages * PAGE_BYTES
    w.t += sync_cost_ns(w, reason)
    w.emit(EVENT_MIGRATION_BITMAP_SYNC_END, w.period_dirty_pages)
    row = w.rounds.new_row()
    row[0] = started
    row[1] = w.t
    row[2] = reason
    row[3] = fresh
    row[4] = w.period_dirty_pages
    row[5] = w.dirty_pages
    row[6] = w.transferred
    row[7] = w.threshold_size
    row[8] = w.normal_pages
    row[9] = w.zero_pages
    if decisions.sync_period_over(w.now_ms(), w.last_sync_ms):
        close_period(w)
    row[10] = w.dirty_pages_rate
    row[11] = w.throttle_percentage


cdef int64_t sync_cost_ns(World w, SyncReason reason) noexcept nogil:
    """Time a sync takes; the first one after the first sweep waits for the vCPUs longer."""
    cdef int64_t cost = w.host.sync_fixed_ns + w.total_pages * w.host.sync_page_ps // 1000
    if reason == SYNC_EXACT:
        w.exact_syncs += 1
        if w.exact_syncs == 1:
            cost += w.host.sync_first_ns
    return cost + sleeping_vcpu_ns(w)


cdef int64_t sleeping_vcpu_ns(World w) noexcept nogil:
    """Return how long a throttled vCPU still sleeps: a sync waits until it passes a safe point.

    From each tick on it sleeps, then runs for 10 ms (cpu-throttle.c). A stopped VM is awake.
    """
    cdef int64_t into
    if w.throttle_percentage == 0 or not w.vm_running:
        return 0
    if w.t < w.throttle_tick_ns:    # still in the slice of the step before
        return max(w.throttle_sleep_end_ns - w.t, 0)
    into = (w.t - w.throttle_tick_ns) % throttling.throttle_period_ns(w.throttle_percentage)
    return max(throttling.throttle_sleep_ns(w.throttle_percentage) - into, 0)


cdef void close_period(World w) noexcept nogil:
    """Judge throttling and dirty rate over a period of more than a second."""
    cdef int64_t now = w.now_ms()
    cdef int64_t sent = w.transferred - w.period_transferred
    cdef int64_t dirty = w.period_dirty_pages * PAGE_BYTES
    cdef bint wanted = throttling.throttle_wanted(dirty, sent, w.throttle_trigger_threshold)
    if throttling.throttle_acts(w.dirty_rate_high_count, wanted) and w.auto_converge:
        throttle_guest_down(
            w, throttling.throttle_threshold_bytes(sent, w.throttle_trigger_threshold), dirty
        )
    w.dirty_rate_high_count = throttling.throttle_count(w.dirty_rate_high_count, wanted)
    w.dirty_pages_rate = decisions.dirty_pages_rate(w.period_dirty_pages, now - w.last_sync_ms)
    w.last_sync_ms = now
    w.period_dirty_pages = 0
    w.period_transferred = w.transferred


cdef void throttle_guest_down(World w, int64_t threshold, int64_t dirty) noexcept nogil:
    """Take another step of auto-converge (migration_trigger_throttle)."""
    w.emit(EVENT_MIGRATION_THROTTLE)
    next_slice(w)
    w.throttle_percentage = throttling.throttle_step(
        w.throttle_percentage, w.cpu_throttle_initial, w.cpu_throttle_increment,
        w.cpu_throttle_tailslow, w.max_cpu_throttle, threshold, dirty,
    )
    w.emit(EVENT_CPU_THROTTLE_SET, w.throttle_percentage)


cdef void next_slice(World w) noexcept nogil:
    """Find the tick from which a new percentage holds: the next one, or now for the first."""
    cdef int64_t period, began
    if w.throttle_percentage == 0:
        w.throttle_tick_ns = w.t
    elif w.t >= w.throttle_tick_ns:
        period = throttling.throttle_period_ns(w.throttle_percentage)
        began = w.t - (w.t - w.throttle_tick_ns) % period
        w.throttle_sleep_end_ns = began + throttling.throttle_sleep_ns(w.throttle_percentage)
        w.throttle_tick_ns = began + period


cdef void timer_sync(World w) noexcept nogil:
    """Auto-converge's own sync every five seconds (cpu-throttle.c)."""
    if not w.auto_converge or w.in_postcopy() or w.t < w.timer_ns:
        return
    w.timer_ns += w.host.throttle_timer_ns
    if throttling.throttle_timer_sync_due(w.dirty_sync_count, w.timer_previous_count):
        bitmap_sync(w, SYNC_TIMER)
    w.timer_previous_count = w.dirty_sync_count
