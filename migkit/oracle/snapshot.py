"""A background snapshot: memory as it was at one moment, while the guest goes on.

The device state is saved first, into memory, and follows RAM in the stream; no page is sent twice
and no dirty log is kept (migration/migration.c bg_migration_thread).
"""

from __future__ import annotations

from migkit.oracle import endings, savevm, switchover, tracking
from migkit.oracle.codes import Checkpoint, Decision, RunState
from migkit.oracle.passes import Pass
from migkit.oracle.stream import flush, put
from migkit.oracle.world import PAGE_BYTES, World


def prepare(w: World) -> None:
    """Read every page once: only a page that is there can be protected."""
    w.t += w.migrated_pages * w.plan.snapshot.populate_page_ps // 1000


def start(w: World) -> None:
    """Stop the guest, save its devices into memory, protect its memory, let it go on."""
    endings.take_lock(w)
    switchover.stop_vm(w)
    w.run_state = RunState.PAUSED
    w.t += w.plan.host.device_state_ns
    w.snapshot_buffer_bytes = savevm.device_bytes(w) + 1 + w.plan.vmdesc_bytes
    w.transferred += w.snapshot_buffer_bytes  # the memory file counts too (qemu-file.c)
    endings.checkpoint(w, Checkpoint.NON_ITERABLE_SAVED)
    tracking.start(w)
    endings.release_lock(w)


def iteration_run(w: World) -> None:
    """Make one pass: nothing to decide and no limit (bg_migration_iteration_run)."""
    left = w.dirty_pages * PAGE_BYTES
    began = Pass(w)
    done = savevm.iterate(w)
    if done and not w.error:
        complete(w)
    began.record(left, -1, 0, Decision.COMPLETE if done else Decision.ITERATE)


def complete(w: World) -> None:
    """Append the devices and end the stream (bg_migration_completion)."""
    put(w, w.snapshot_buffer_bytes)
    flush(w)
    if w.error:
        endings.fail(w)
        return
    endings.finish(w)
