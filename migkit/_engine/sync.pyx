"""Fetching the dirty log, and what hangs on its one-second period (migration/ram.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport decisions, dirty_limit, execution, throttling
from migkit._engine.bitmap cimport clear_bit, test
from migkit._engine.dirty_log cimport (
    LOG_DIRTY_RING, LOG_GET_AND_CLEAR, LOG_MANUAL_PROTECT, LOG_TCG, DirtyLog, clear_fetched, fetch,
)
from migkit._engine.dirty_map cimport find_next_dirty
from migkit._engine.guest cimport advance, write_through
from migkit._engine.rings cimport reap
from migkit._engine.senders cimport settle
from migkit._engine.types cimport (
    EVENT_CPU_THROTTLE_DIRTY_SYNC, EVENT_CPU_THROTTLE_SET, EVENT_MIGRATION_BITMAP_CLEAR_DIRTY,
    EVENT_MIGRATION_BITMAP_SYNC_END, EVENT_MIGRATION_BITMAP_SYNC_START, EVENT_MIGRATION_THROTTLE,
    PAGE_BYTES, SYNC_EXACT, SYNC_FINAL, SYNC_POSTCOPY, SYNC_TIMER, SyncReason,
)
from migkit._engine.world cimport Parameters, World


cdef void bitmap_sync(World w, SyncReason reason) noexcept nogil:
    """Merge the guest's dirty log into the migration bitmap (migration_bitmap_sync)."""
    cdef int64_t started, fresh, protected
    cdef int64_t *row
    w.dirty_sync_count += decisions.sync_counted(
        reason == SYNC_FINAL or reason == SYNC_POSTCOPY, w.counts_last_sync
    )
    if w.last_sync_ms == 0:
        w.last_sync_ms = w.now_ms()
    started = w.t
    w.emit(EVENT_MIGRATION_BITMAP_SYNC_START)
    fresh = read_log(w, &protected) - forget_ignored(w)
    w.dirty_pages += fresh
    w.period_dirty_pages += fresh
    w.dirty_bytes_last_sync = w.dirty_pages * PAGE_BYTES
    w.t += sync_cost_ns(w, reason, protected)
    w.emit(EVENT_MIGRATION_BITMAP_SYNC_END, w.period_dirty_pages)
    settle(w)
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


cdef int64_t forget_ignored(World w) noexcept nogil:
    """Clean the blocks that stay behind; return how many pages of them were dirty."""
    cdef int64_t page, forgotten = 0
    cdef int block
    if w.shared.migrated_pages == w.total_pages:
        return 0
    for block in range(w.blocks):
        page = w.block_start[block]
        while w.shared.ignored[block]:
            page = find_next_dirty(&w.dirty_map, page, w.block_start[block + 1])
            if page >= w.block_start[block + 1]:
                break
            clear_bit(w.bmap, page)
            forgotten += 1
    return forgotten


cdef int64_t read_log(World w, int64_t *protected) noexcept nogil:
    """Bring the log up to now and fetch it; return how many pages were clean in the bitmap.

    With rings all vCPUs leave the guest first, and theirs are read. Also tells how many pages
    are protected again by that.
    """
    protected[0] = 0
    if w.dirty_log.mode == LOG_DIRTY_RING:
        advance(w)      # to know who sleeps
        w.t += execution.sleeping_ns(w)
        advance(w)
        protected[0] = reap(w)
    elif w.dirty_log.mode == LOG_TCG and not w.cpus.executing:
        write_through(w)
    else:
        advance(w)
        if w.dirty_log.mode == LOG_GET_AND_CLEAR:
            protected[0] = w.log_map.fresh
    return fetch(&w.dirty_log, &w.dirty_map, &w.log_map, w.block_start, w.blocks)


cdef int64_t sync_cost_ns(World w, SyncReason reason, int64_t protected) noexcept nogil:
    """Time a sync takes; under TCG it ends when every vCPU has passed a safe point."""
    cdef int64_t cost = w.host.sync_fixed_ns
    cost += w.shared.migrated_pages * w.host.sync_page_ps // 1000
    cost += w.dirty_log.log_call_ns * log_calls(w, reason)
    cost += protected * w.dirty_log.protect_page_ps // 1000
    cost += w.dirty_log.kick_vcpu_ns * w.vcpus
    if reason == SYNC_EXACT:
        w.exact_syncs += 1
    if w.dirty_log.mode == LOG_TCG:
        if reason == SYNC_EXACT and w.exact_syncs == 1:
            cost += w.host.sync_first_ns    # the first one after the first sweep waits longer
        cost += execution.sleeping_ns(w)
    return cost


cdef int64_t log_calls(World w, SyncReason reason) noexcept nogil:
    """Return how often a sync calls the kernel: for each block, or once for all rings."""
    if w.dirty_log.mode != LOG_DIRTY_RING:
        return w.blocks
    return 1 + (w.blocks if w.dirty_log.ring_with_bitmap and reason == SYNC_FINAL else 0)


cdef int64_t clear_before_send(World w, int block, int64_t page) noexcept nogil:
    """Clear the log of the chunk around a page, once after a sync (migration_bitmap_clear_dirty).

    Since 10.1 not in the last stage and not in postcopy, where nobody writes any more. Returns
    the end of the chunk: what comes after it may have to be cleared, too.
    """
    cdef DirtyLog *log = &w.dirty_log
    cdef int64_t start = w.block_start[block], end = w.block_start[block + 1], protected
    cdef int64_t chunk = (page - start) >> log.clear_shift, size = 1LL << log.clear_shift
    if not log.clears_to_the_end and (log.last_stage or w.in_postcopy()):
        return end
    end = min(end, start + (chunk + 1) * size)
    if not test(log.chunks, log.first_chunk[block] + chunk):
        return end
    clear_bit(log.chunks, log.first_chunk[block] + chunk)
    w.emit(EVENT_MIGRATION_BITMAP_CLEAR_DIRTY, block, chunk * size * PAGE_BYTES,
           size * PAGE_BYTES, page - start)
    if log.mode == LOG_MANUAL_PROTECT:
        advance(w)
        protected = clear_fetched(log, w.log, start + chunk * size, end)
        w.t += log.log_call_ns + protected * log.protect_page_ps // 1000
    return end


cdef void close_period(World w) noexcept nogil:
    """Judge throttling and dirty rate over a period of more than a second."""
    cdef int64_t now = w.now_ms()
    cdef int64_t sent = w.transferred - w.period_transferred
    cdef int64_t dirty = w.period_dirty_pages * PAGE_BYTES
    cdef int64_t trigger = w.parameters.throttle_trigger_threshold
    cdef bint wanted = throttling.throttle_wanted(dirty, sent, trigger)
    if throttling.throttle_acts(w.dirty_rate_high_count, wanted):
        if w.auto_converge:
            throttle_guest_down(w, throttling.throttle_threshold_bytes(sent, trigger), dirty)
        elif w.dirty_limit.possible:
            if w.dirty_limit.in_service:
                advance(w)      # what was measured during the sync had the old quota
            dirty_limit.engage(w)
    w.dirty_rate_high_count = throttling.throttle_count(w.dirty_rate_high_count, wanted)
    w.dirty_pages_rate = decisions.dirty_pages_rate(w.period_dirty_pages, now - w.last_sync_ms)
    if w.xbzrle is not None:
        w.xbzrle.update_rates()
    w.last_sync_ms = now
    w.period_dirty_pages = 0
    w.period_transferred = w.transferred


cdef void throttle_guest_down(World w, int64_t threshold, int64_t dirty) noexcept nogil:
    """Take another step of auto-converge (migration_trigger_throttle)."""
    cdef Parameters *parameters = &w.parameters
    cdef int64_t asked
    w.emit(EVENT_MIGRATION_THROTTLE)
    advance(w)
    if not w.cpus.executing:
        execution.begin(w)
    next_slice(w)
    asked = throttling.throttle_step(
        w.throttle_percentage, parameters.cpu_throttle_initial,
        parameters.cpu_throttle_increment, parameters.cpu_throttle_tailslow,
        parameters.max_cpu_throttle, threshold, dirty,
    )
    w.emit(EVENT_CPU_THROTTLE_SET, asked)
    w.throttle_percentage = throttling.throttle_clamped(asked)


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
    """Auto-converge's own sync every five seconds (cpu_throttle_dirty_sync_timer_tick)."""
    if not w.auto_converge or w.in_postcopy() or w.t < w.timer_ns:
        return
    if throttling.throttle_timer_sync_due(w.dirty_sync_count, w.timer_previous_count):
        w.emit(EVENT_CPU_THROTTLE_DIRTY_SYNC)
        bitmap_sync(w, SYNC_TIMER)
    w.timer_previous_count = w.dirty_sync_count
    w.timer_ns = w.t + w.host.throttle_timer_ns
