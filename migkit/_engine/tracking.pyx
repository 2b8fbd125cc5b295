"""The guest's writes to memory that a background snapshot has not saved yet (migration/ram.c).

All memory is write-protected when the guest goes on (userfaultfd). A write to a page that is not
saved is a fault: the vCPU waits, the page is saved next, and missed time is caught up, a write
after the other.
"""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy

from migkit._engine.bitmap cimport clear_bit, test
from migkit._engine.stream cimport flush
from migkit._engine.types cimport CHECKPOINT_DOWNTIME_END, EVENT_VMSTATE_DOWNTIME_CHECKPOINT
from migkit._engine.world cimport World


cdef void start(World w) noexcept nogil:
    """Protect all memory; the guest goes on a little later (ram_write_tracking_start)."""
    w.t += w.snapshot.protect_ns
    w.t += w.shared.migrated_pages * w.snapshot.protect_page_ps // 1000
    memcpy(w.snapshot.locked, w.bmap, <size_t> w.words * 8)
    w.snapshot.vm_paused = True
    w.snapshot.runs_ns = w.snapshot.vcpu_free_ns = w.t + w.snapshot.resume_ns


cdef void resume_vm(World w) noexcept nogil:
    """Let the guest go on when its time has come (bg_migration_vm_start_bh)."""
    if not w.snapshot.vm_paused or w.t < w.snapshot.runs_ns:
        return
    w.snapshot.vm_paused = False
    w.vm_running = w.vm_was_running
    w.sides.source = w.sides.before
    w.downtime_ms = ((w.snapshot.runs_ns + w.host.clock_phase_ns) // 1_000_000
                     - (w.downtime_start_ns + w.host.clock_phase_ns) // 1_000_000)
    w.emit_at(w.snapshot.runs_ns, EVENT_VMSTATE_DOWNTIME_CHECKPOINT, CHECKPOINT_DOWNTIME_END)


cdef int64_t poll_fault(World w) noexcept nogil:
    """Return the page that a vCPU waits for, if its fault can be read by now; else -1."""
    w.t += w.snapshot.poll_ns
    resume_vm(w)
    run_vcpu(w)
    if not w.snapshot.faulted or w.snapshot.fault_seen:
        return -1
    if w.snapshot.fault_at_ns + w.snapshot.fault_ns > w.t:
        return -1
    w.snapshot.fault_seen = True
    w.snapshot.fault_sent_ns = w.t
    return w.snapshot.fault_page


cdef void unprotect(World w, int64_t page) noexcept nogil:
    """Write the page out, then let the guest write to it (ram_save_release_protection)."""
    cdef int64_t *row
    flush(w)
    w.t += w.snapshot.unprotect_ns
    resume_vm(w)
    run_vcpu(w)
    clear_bit(w.snapshot.locked, page)
    if not w.snapshot.faulted or w.snapshot.fault_page != page:
        return
    row = w.faults.new_row()
    row[0] = page
    row[1] = w.snapshot.fault_at_ns
    row[2] = w.snapshot.fault_at_ns + w.snapshot.fault_ns
    row[3] = w.snapshot.fault_sent_ns
    row[4] = w.t
    row[5] = 0      # the one vCPU
    w.snapshot.faulted = w.snapshot.fault_seen = False
    w.snapshot.vcpu_free_ns = w.t + w.snapshot.wake_ns


cdef void run_vcpu(World w) noexcept nogil:
    """Do the vCPU's writes up to now, as far as it comes without a fault."""
    cdef int64_t at, page
    if not w.vm_running or w.snapshot.quiet_until_ns > w.t:
        return
    while not w.snapshot.faulted:
        if not next_write(w, &at, &page):
            w.snapshot.quiet_until_ns = INT64_MAX
            return
        if at > w.t:
            w.snapshot.quiet_until_ns = at
            return
        if test(w.snapshot.locked, page):
            w.snapshot.faulted = True
            w.snapshot.fault_page = page
            w.snapshot.fault_at_ns = at
            w.snapshot.fault_sent_ns = -1
        else:
            consume(w)
            w.snapshot.vcpu_free_ns = at


cdef bint next_write(World w, int64_t *at, int64_t *page) noexcept nogil:
    """Tell when the vCPU writes next and to which page; False if never."""
    cdef int64_t program_ns
    if w.snapshot.first_touch < w.always_dirty_count:
        at[0] = w.snapshot.vcpu_free_ns
        page[0] = w.always_dirty[w.snapshot.first_touch]
        return True
    if not w.writer.peek(&program_ns, page):
        return False
    at[0] = max(w.snapshot.runs_ns + program_ns - w.guest_progress_ns,
                w.snapshot.vcpu_free_ns + w.host.guest_write_ns)
    return True


cdef void consume(World w) noexcept nogil:
    """Take the next write off the list: it is done."""
    if w.snapshot.first_touch < w.always_dirty_count:
        w.snapshot.first_touch += 1
    else:
        w.writer.pop()
