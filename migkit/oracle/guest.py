"""The guest on the source: how far its program has come, and what it dirtied on the way."""

from __future__ import annotations

from migkit.oracle import execution
from migkit.oracle.rings import touch
from migkit.oracle.world import World


def advance(w: World) -> None:
    """Bring the guest up to now; its writes go to the dirty log.

    While the VM is stopped nothing happens.
    """
    elapsed = w.t - w.guest_mark_ns
    w.guest_mark_ns = w.t
    if not w.vm_running or elapsed <= 0:
        return
    w.guest_run_ns += elapsed
    if w.executing:
        execution.run(w)
    else:
        w.guest_progress_ns = w.guest_run_ns
        for page, source, number in w.writer.take(w.guest_progress_ns):
            w.dirty_log.note(page)
            outcome = w.content.write(page, source, number)
            if w.xbzrle is not None:
                w.xbzrle.written(page, outcome, number)
    touch(w)


def stop(w: World) -> None:
    """Stop the vCPUs (vm_stop_force_state); the guest's clock stands still from here on."""
    advance(w)
    w.vm_running = False
    if len(w.vcpus) > 1:  # where the program goes on, here or at the destination
        w.writer.advance(w.guest_progress_ns - 1, lambda page: None)


def resume(w: World) -> None:
    """Let the guest run on the source again, after a failure or a cancel."""
    w.guest_mark_ns = w.t
    w.vm_running = bool(w.plan.vm_running)
