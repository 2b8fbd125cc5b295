"""Fetching the dirty log, and what hangs on its one-second period (migration/ram.c)."""

from __future__ import annotations

from migkit.oracle import decisions, guest, throttling
from migkit.oracle.codes import Event, SyncReason
from migkit.oracle.world import PAGE_BYTES, World


def bitmap_sync(w: World, reason: SyncReason) -> None:
    """Merge the guest's dirty log into the migration bitmap (migration_bitmap_sync)."""
    w.dirty_sync_count += 1
    if w.last_sync_ms == 0:
        w.last_sync_ms = w.now_ms()
    started = w.t
    w.emit(Event.MIGRATION_BITMAP_SYNC_START)
    guest.advance(w)
    fresh = merge_log(w)
    w.dirty_pages += fresh
    w.period_dirty_pages += fresh
    w.dirty_bytes_last_sync = w.dirty_pages * PAGE_BYTES
    w.t += sync_cost_ns(w, reason)
    w.emit(Event.MIGRATION_BITMAP_SYNC_END, w.period_dirty_pages)
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


def merge_log(w: World) -> int:
    """Move the log into the bitmap; return how many pages were clean there."""
    fresh = 0
    for page in w.log:
        if not w.bmap[page]:
            w.bmap[page] = 1
            fresh += 1
    w.log.clear()
    return fresh


def sync_cost_ns(w: World, reason: SyncReason) -> int:
    """Time a sync takes; the first one after the first sweep waits for the vCPUs longer."""
    host = w.plan.host
    cost = host.sync_fixed_ns + w.total_pages * host.sync_page_ps // 1000
    if reason == SyncReason.EXACT:
        w.exact_syncs += 1
        if w.exact_syncs == 1:
            cost += host.sync_first_ns
    return cost + sleeping_vcpu_ns(w)


def sleeping_vcpu_ns(w: World) -> int:
    """Return how long a throttled vCPU still sleeps: a sync waits until it passes a safe point.

    From each tick on it sleeps, then runs for 10 ms (cpu-throttle.c). A stopped VM is awake.
    """
    if w.throttle_percentage == 0 or not w.vm_running:
        return 0
    if w.t < w.throttle_tick_ns:  # still in the slice of the step before
        return max(w.throttle_sleep_end_ns - w.t, 0)
    into = (w.t - w.throttle_tick_ns) % throttling.throttle_period_ns(w.throttle_percentage)
    return max(throttling.throttle_sleep_ns(w.throttle_percentage) - into, 0)


def close_period(w: World) -> None:
    """Judge throttling and dirty rate over a period of more than a second."""
    now = w.now_ms()
    sent = w.transferred - w.period_transferred
    dirty = w.period_dirty_pages * PAGE_BYTES
    trigger = w.plan.throttle_trigger_threshold
    wanted = throttling.throttle_wanted(dirty, sent, trigger)
    w.dirty_rate_high_count, act = throttling.throttle_count_step(w.dirty_rate_high_count, wanted)
    if act and w.plan.auto_converge:
        throttle_guest_down(w, sent * trigger // 100, dirty)
    w.dirty_pages_rate = decisions.dirty_pages_rate(w.period_dirty_pages, now - w.last_sync_ms)
    w.last_sync_ms = now
    w.period_dirty_pages = 0
    w.period_transferred = w.transferred


def throttle_guest_down(w: World, threshold_bytes: int, dirty_bytes: int) -> None:
    """Take another step of auto-converge (migration_trigger_throttle)."""
    plan = w.plan
    w.emit(Event.MIGRATION_THROTTLE)
    next_slice(w)
    w.throttle_percentage = throttling.throttle_step(
        w.throttle_percentage,
        plan.cpu_throttle_initial,
        plan.cpu_throttle_increment,
        plan.cpu_throttle_tailslow,
        plan.max_cpu_throttle,
        threshold_bytes,
        dirty_bytes,
    )
    w.emit(Event.CPU_THROTTLE_SET, w.throttle_percentage)


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
    """Auto-converge's own sync every five seconds (cpu-throttle.c)."""
    if not w.plan.auto_converge or w.in_postcopy or w.t < w.timer_ns:
        return
    w.timer_ns += w.plan.host.throttle_timer_ns
    if throttling.throttle_timer_sync_due(w.dirty_sync_count, w.timer_previous_count):
        bitmap_sync(w, SyncReason.TIMER)
    w.timer_previous_count = w.dirty_sync_count
