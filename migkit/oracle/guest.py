"""The guest on the source: how far its program has come, and what it dirtied on the way."""

from __future__ import annotations

from migkit.oracle.world import World


def advance(w: World) -> None:
    """Bring the guest up to now; its writes go to the dirty log.

    While the VM is stopped nothing happens. A throttled vCPU loses time, not work: the program
    catches up as long as the share of the vCPU that is left suffices.
    """
    elapsed = w.t - w.guest_mark_ns
    w.guest_mark_ns = w.t
    if not w.vm_running or elapsed <= 0:
        return
    w.guest_run_ns += elapsed
    w.guest_progress_ns = progress(w, elapsed)
    for page, source, number in w.writer.take(w.guest_progress_ns):
        w.log.add(page)
        w.content.write(page, source, number)
    for page in w.plan.always_dirty_pages:
        w.log.add(page)
        w.content.touch(page)


def progress(w: World, elapsed: int) -> int:
    """Return the program's own time after `elapsed` ns more of VM time."""
    if w.throttle_percentage == 0:
        return w.guest_run_ns
    busy_ns_per_ms = w.plan.workload_busy_ns_per_ms
    if busy_ns_per_ms == 0:
        return w.guest_run_ns
    share = elapsed * (100 - w.throttle_percentage) // 100
    reach = w.guest_progress_ns + share * 1_000_000 // busy_ns_per_ms
    return min(w.guest_run_ns, reach)


def stop(w: World) -> None:
    """Stop the vCPUs (vm_stop_force_state); the guest's clock stands still from here on."""
    advance(w)
    w.vm_running = False


def resume(w: World) -> None:
    """Let the guest run on the source again, after a failure or a cancel."""
    w.guest_mark_ns = w.t
    w.vm_running = True
