"""The guest on the source: how far its program has come, and what it dirtied on the way."""

from libc.stdint cimport int64_t

from migkit._engine.dirty_map cimport DirtyMap, dirty, merge
from migkit._engine.world cimport World

cdef enum:
    WRITES_A_STEP = 8           # of `World.poll`


cdef void advance(World w) noexcept nogil:
    """Bring the guest up to now; its writes go to the dirty log."""
    advance_into(w, &w.log_map)


cdef int64_t fetch_log(World w) noexcept nogil:
    """Bring guest and migration bitmap up to now; return how many pages were clean there.

    What nobody has to see in the log first goes to the bitmap at once.
    """
    cdef int64_t fresh
    if w.log_map.fresh > 0:
        merge(&w.dirty_map, &w.log_map)
    advance_into(w, &w.dirty_map)
    fresh = w.dirty_map.fresh
    w.dirty_map.fresh = 0
    return fresh


cdef void advance_into(World w, DirtyMap *log) noexcept nogil:
    """Let the guest write up to now.

    While the VM is stopped nothing happens. A throttled vCPU loses time, not work: the program
    catches up as long as the share of the vCPU that is left suffices.
    """
    cdef int64_t elapsed = w.t - w.guest_mark_ns, first
    cdef int index
    w.guest_mark_ns = w.t
    if not w.vm_running or elapsed <= 0:
        return
    w.guest_run_ns += elapsed
    w.guest_progress_ns = progress(w, elapsed)
    first = w.writer.next_number()
    if w.content.moves:
        follow(w, log)
    elif w.writer.advance(w.guest_progress_ns, log):
        w.interrupted = True        # a callback failed, or Ctrl-C: `Writer.failure` has it
    w.poll((w.writer.next_number() - first) // WRITES_A_STEP)
    for index in range(w.always_dirty_count):
        dirty(log, w.always_dirty[index])
        w.content.touch(w.always_dirty[index])


cdef void follow(World w, DirtyMap *log) noexcept nogil:
    """Make the writes one by one: each changes what is in its page."""
    cdef int64_t at, page
    while w.writer.peek_until(w.guest_progress_ns, &at, &page):
        w.writer.pop()
        dirty(log, page)
        w.content.write(page, w.writer.write_source(), w.writer.write_number())
        if w.poll(1):
            break
    if w.writer.failed():
        w.interrupted = True


cdef int64_t progress(World w, int64_t elapsed) noexcept nogil:
    """Return the program's own time after more VM time."""
    cdef int64_t share
    if w.throttle_percentage == 0 or w.workload_busy_ns_per_ms == 0:
        return w.guest_run_ns
    share = elapsed * (100 - w.throttle_percentage) // 100
    return min(w.guest_run_ns,
               w.guest_progress_ns + share * 1_000_000 // w.workload_busy_ns_per_ms)


cdef void stop(World w) noexcept nogil:
    """Stop the vCPUs (vm_stop_force_state); the guest's clock stands still from here on."""
    advance(w)
    w.vm_running = False


cdef void resume(World w) noexcept nogil:
    """Let the guest run on the source again, after a failure or a cancel."""
    w.guest_mark_ns = w.t
    w.vm_running = True
