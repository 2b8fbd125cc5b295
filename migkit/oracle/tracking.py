"""The guest's writes to memory that a background snapshot has not saved yet (migration/ram.c).

All memory is write-protected when the guest goes on (userfaultfd). A write to a page that is not
saved is a fault: the vCPU waits, the page is saved next, and missed time is caught up, a write
after the other.
"""

from __future__ import annotations

from migkit.oracle.codes import Checkpoint, Event
from migkit.oracle.stream import flush
from migkit.oracle.world import World

PAGE, FAULT, SENT = range(3)


def start(w: World) -> None:
    """Protect all memory; the guest goes on a little later (ram_write_tracking_start)."""
    costs = w.plan.snapshot
    w.t += costs.protect_ns
    w.t += w.migrated_pages * costs.protect_page_ps // 1000
    w.locked = bytearray(w.bmap)
    w.vm_paused = True
    w.snapshot_runs_ns = w.snapshot_vcpu_free_ns = w.t + costs.resume_ns
    w.snapshot_touches = list(w.plan.always_dirty_pages)


def resume_vm(w: World) -> None:
    """Let the guest go on when its time has come (bg_migration_vm_start_bh)."""
    if not w.vm_paused or w.t < w.snapshot_runs_ns:
        return
    w.vm_paused = False
    w.vm_running = w.plan.vm_running
    w.run_state = w.run_state_before
    phase = w.plan.host.clock_phase_ns
    stopped_ms = (w.downtime_start_ns + phase) // 1_000_000
    w.downtime_ms = (w.snapshot_runs_ns + phase) // 1_000_000 - stopped_ms
    end = int(Checkpoint.DOWNTIME_END)
    w.emit(Event.VMSTATE_DOWNTIME_CHECKPOINT, end, at=w.snapshot_runs_ns)


def poll_fault(w: World) -> int:
    """Return the page that a vCPU waits for, if its fault can be read by now; else -1."""
    w.t += w.plan.snapshot.poll_ns
    resume_vm(w)
    run_vcpu(w)
    fault = w.snapshot_fault
    if fault is None or fault[SENT] >= 0:
        return -1
    if fault[FAULT] + w.plan.snapshot.fault_ns > w.t:
        return -1
    fault[SENT] = w.t
    return fault[PAGE]


def unprotect(w: World, page: int) -> None:
    """Write the page out, then let the guest write to it (ram_save_release_protection)."""
    costs = w.plan.snapshot
    flush(w)
    w.t += costs.unprotect_ns
    resume_vm(w)
    run_vcpu(w)
    w.locked[page] = 0
    fault = w.snapshot_fault
    if fault is None or fault[PAGE] != page:
        return
    at, sent = fault[FAULT], fault[SENT]
    w.tables["faults"].append((page, at, at + costs.fault_ns, sent, w.t, 0))
    w.snapshot_fault = None
    w.snapshot_vcpu_free_ns = w.t + costs.wake_ns


def run_vcpu(w: World) -> None:
    """Do the vCPU's writes up to now, as far as it comes without a fault."""
    while w.vm_running and w.snapshot_fault is None:
        at, page = next_write(w)
        if at < 0 or at > w.t:
            return
        if w.locked[page]:
            w.snapshot_fault = [page, at, -1]
            return
        consume(w)
        w.snapshot_vcpu_free_ns = at


def next_write(w: World) -> tuple[int, int]:
    """Return when the vCPU writes next and to which page; (-1, -1) if never."""
    if w.snapshot_touches:
        return w.snapshot_vcpu_free_ns, w.snapshot_touches[0]
    due = w.writer.peek()
    if due is None:
        return -1, -1
    program_ns, page = due
    at = w.snapshot_runs_ns + program_ns - w.guest_progress_ns
    return max(at, w.snapshot_vcpu_free_ns + w.plan.host.guest_write_ns), page


def consume(w: World) -> None:
    """Take the next write off the list: it is done."""
    if w.snapshot_touches:
        w.snapshot_touches.pop(0)
    else:
        w.writer.pop()
