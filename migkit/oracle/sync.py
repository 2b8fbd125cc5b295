"""Fetching the dirty log, and what hangs on its one-second period (migration/ram.c)."""

from __future__ import annotations

from migkit.oracle import decisions, dirty_limit, execution, guest, rings, throttling
from migkit.oracle.codes import Event, SyncReason
from migkit.oracle.dirty_log import Mode
from migkit.oracle.senders import settle
from migkit.oracle.world import PAGE_BYTES, World


def bitmap_sync(w: World, reason: SyncReason) -> None:
    """Merge the guest's dirty log into the migration bitmap (migration_bitmap_sync)."""
    last = reason in (SyncReason.FINAL, SyncReason.POSTCOPY)
    w.dirty_sync_count += decisions.sync_counted(last, w.plan.counts_last_sync)
    if w.last_sync_ms == 0:
        w.last_sync_ms = w.now_ms()
    started = w.t
    w.emit(Event.MIGRATION_BITMAP_SYNC_START)
    protected = read_log(w)
    found = w.dirty_log.fetch()
    if w.dirty_log.mode == Mode.GET_AND_CLEAR:
        protected = len(found)
    fresh = merge(w, found)
    w.dirty_pages += fresh
    w.period_dirty_pages += fresh
    w.dirty_bytes_last_sync = w.dirty_pages * PAGE_BYTES
    w.t += sync_cost_ns(w, reason, protected)
    w.emit(Event.MIGRATION_BITMAP_SYNC_END, w.period_dirty_pages)
    settle(w)
    row = (
        started,
        w.t,
        int(reason),
        fresh,
        w.period_dirty_pages,
        w.dirty_pages,
        w.transferred,
        w.threshold_size,
        w.normal_pages,
        w.zero_pages,
    )
    if decisions.sync_period_over(w.now_ms(), w.last_sync_ms):
        close_period(w)
    w.tables["rounds"].append((*row, w.dirty_pages_rate, w.throttle_percentage))


def read_log(w: World) -> int:
    """Bring the log up to now; with rings all vCPUs leave the guest and theirs are read.

    Returns how many pages are protected again by that.
    """
    if w.dirty_log.mode != Mode.DIRTY_RING:
        guest.advance(w)
        return 0
    guest.advance(w)  # to know who sleeps
    w.t += execution.sleeping_ns(w)
    guest.advance(w)
    return rings.reap(w, w.vcpus)


def merge(w: World, found: set[int]) -> int:
    """Move pages into the bitmap; return how many were clean there."""
    fresh = 0
    ignored = [range(*w.block_start[block : block + 2]) for block in w.plan.ignored_blocks]
    for page in found:
        if not w.bmap[page] and not any(page in pages for pages in ignored):
            w.bmap[page] = 1
            fresh += 1
    return fresh


def sync_cost_ns(w: World, reason: SyncReason, protected: int) -> int:
    """Time a sync takes; under TCG it ends when every vCPU has passed a safe point."""
    host, log = w.plan.host, w.plan.dirty_log
    cost = host.sync_fixed_ns + w.migrated_pages * host.sync_page_ps // 1000
    cost += log.log_call_ns * log_calls(w, reason) + protected * log.protect_page_ps // 1000
    cost += log.kick_vcpu_ns * w.plan.vcpus
    if reason == SyncReason.EXACT:
        w.exact_syncs += 1
    if w.dirty_log.mode == Mode.TCG:
        if reason == SyncReason.EXACT and w.exact_syncs == 1:
            cost += host.sync_first_ns  # the first one after the first sweep waits longer
        cost += execution.sleeping_ns(w)
    return cost


def log_calls(w: World, reason: SyncReason) -> int:
    """Return how often a sync calls the kernel: for each block, or once for all rings."""
    blocks = len(w.plan.block_pages)
    if w.dirty_log.mode != Mode.DIRTY_RING:
        return blocks
    final = w.plan.dirty_log.ring_with_bitmap and reason == SyncReason.FINAL
    return 1 + (blocks if final else 0)


def clear_before_send(w: World, block: int, page: int) -> None:
    """Clear the log of the chunk around a page, once after a sync (migration_bitmap_clear_dirty).

    Since 10.1 not in the last stage and not in postcopy, where nobody writes any more.
    """
    log, plan = w.dirty_log, w.plan.dirty_log
    if not plan.clears_to_the_end and (w.last_stage or w.in_postcopy):
        return
    index = page - w.block_start[block]
    chunk = log.chunk_of(block, index)
    if chunk < 0:
        return
    size = PAGE_BYTES << plan.clear_shift
    w.emit(Event.MIGRATION_BITMAP_CLEAR_DIRTY, block, chunk * size, size, index)
    if log.mode != Mode.MANUAL_PROTECT:
        log.chunks.remove((block, chunk))
        return
    guest.advance(w)
    protected = log.clear(block, chunk)
    w.t += plan.log_call_ns + protected * plan.protect_page_ps // 1000


def close_period(w: World) -> None:
    """Judge throttling and dirty rate over a period of more than a second."""
    now = w.now_ms()
    sent = w.transferred - w.period_transferred
    dirty = w.period_dirty_pages * PAGE_BYTES
    trigger = w.parameters["throttle-trigger-threshold"]
    wanted = throttling.throttle_wanted(dirty, sent, trigger)
    w.dirty_rate_high_count, act = throttling.throttle_count_step(w.dirty_rate_high_count, wanted)
    if act and w.plan.auto_converge:
        throttle_guest_down(w, sent * trigger // 100, dirty)
    elif act and w.plan.dirty_limit is not None:
        if w.dirty_limit.in_service:
            guest.advance(w)  # what was measured during the sync had the old quota
        dirty_limit.engage(w)
    w.dirty_pages_rate = decisions.dirty_pages_rate(w.period_dirty_pages, now - w.last_sync_ms)
    if w.xbzrle is not None:
        w.xbzrle.update_rates()
    w.last_sync_ms = now
    w.period_dirty_pages = 0
    w.period_transferred = w.transferred


def throttle_guest_down(w: World, threshold_bytes: int, dirty_bytes: int) -> None:
    """Take another step of auto-converge (migration_trigger_throttle)."""
    now = w.parameters
    w.emit(Event.MIGRATION_THROTTLE)
    guest.advance(w)
    if not w.executing:
        execution.begin(w)
    next_slice(w)
    asked = throttling.throttle_step(
        w.throttle_percentage,
        now["cpu-throttle-initial"],
        now["cpu-throttle-increment"],
        bool(now["cpu-throttle-tailslow"]),
        now["max-cpu-throttle"],
        threshold_bytes,
        dirty_bytes,
    )
    w.emit(Event.CPU_THROTTLE_SET, asked)
    w.throttle_percentage = throttling.throttle_clamped(asked)


def next_slice(w: World) -> None:
    """Find the tick from which a new percentage holds: the next one, or now for the first."""
    if w.throttle_percentage == 0:
        w.throttle_tick_ns = w.t
    elif w.t >= w.throttle_tick_ns:
        period = throttling.throttle_period_ns(w.throttle_percentage)
        began = w.t - (w.t - w.throttle_tick_ns) % period
        w.throttle_sleep_end_ns = began + throttling.throttle_sleep_ns(w.throttle_percentage)
        w.throttle_tick_ns = began + period


def timer_sync(w: World) -> None:
    """Auto-converge's own sync every five seconds (cpu_throttle_dirty_sync_timer_tick)."""
    if not w.plan.auto_converge or w.in_postcopy or w.t < w.timer_ns:
        return
    if throttling.throttle_timer_sync_due(w.dirty_sync_count, w.timer_previous_count):
        w.emit(Event.CPU_THROTTLE_DIRTY_SYNC)
        bitmap_sync(w, SyncReason.TIMER)
    w.timer_previous_count = w.dirty_sync_count
    w.timer_ns = w.t + w.plan.host.throttle_timer_ns
