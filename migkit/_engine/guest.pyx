"""The guest on the source: how far its program has come, and what it dirtied on the way."""

from libc.stdint cimport int64_t

from migkit._engine cimport execution
from migkit._engine.content cimport Outcome
from migkit._engine.dirty_map cimport DirtyMap, dirty
from migkit._engine.rings cimport touch
from migkit._engine.world cimport World

cdef enum:
    WRITES_A_STEP = 8           # of `World.poll`


cdef void advance(World w) noexcept nogil:
    """Bring the guest up to now; its writes go to the dirty log.

    While the VM is stopped nothing happens.
    """
    if not elapse(w):
        return
    if w.cpus.executing:
        execution.run(w)
    else:
        write_all(w, &w.log_map)
    touch(w)


cdef void write_through(World w) noexcept nogil:
    """Bring the guest up to now, its writes straight into the bitmap: nobody has to see the log.

    Not while the vCPUs go their own way: what a write costs hangs on the log.
    """
    cdef int index
    if not elapse(w):
        return
    write_all(w, &w.dirty_map)
    for index in range(w.always_dirty_count):
        dirty(&w.dirty_map, w.always_dirty[index])
        w.content.touch(w.always_dirty[index])
        if w.xbzrle is not None:
            w.xbzrle.touched(w.always_dirty[index])


cdef bint elapse(World w) noexcept nogil:
    """Let the guest's clock run up to now; tell whether it did."""
    cdef int64_t elapsed = w.t - w.guest_mark_ns
    w.guest_mark_ns = w.t
    if not w.vm_running or elapsed <= 0:
        return False
    w.guest_run_ns += elapsed
    return True


cdef void write_all(World w, DirtyMap *log) noexcept nogil:
    """Make every write that is due."""
    cdef int64_t first = w.writer.next_number()
    w.guest_progress_ns = w.guest_run_ns
    if w.content.moves or (w.xbzrle is not None and w.xbzrle.started):
        follow(w, log)
    elif w.writer.advance(w.guest_progress_ns, log):
        w.interrupted = True        # a callback failed, or Ctrl-C: `Writer.failure` has it
    w.poll((w.writer.next_number() - first) // WRITES_A_STEP)


cdef void follow(World w, DirtyMap *log) noexcept nogil:
    """Make the writes one by one: each changes what is in its page."""
    cdef int64_t at, page
    cdef Outcome *outcome
    while w.writer.peek_until(w.guest_progress_ns, &at, &page):
        w.writer.pop()
        dirty(log, page)
        outcome = w.content.write(page, w.writer.write_source(), w.writer.write_number())
        if w.xbzrle is not None:
            w.xbzrle.written(page, outcome, <int64_t> w.writer.write_number())
        if w.poll(1):
            break
    if w.writer.failed():
        w.interrupted = True


cdef void stop(World w) noexcept nogil:
    """Stop the vCPUs (vm_stop_force_state); the guest's clock stands still from here on."""
    advance(w)
    w.vm_running = False
    if w.cpus.count > 1:    # where the program goes on, here or at the destination
        w.writer.advance(w.guest_progress_ns - 1, NULL)


cdef void resume(World w) noexcept nogil:
    """Let the guest run on the source again, after a failure or a cancel."""
    w.guest_mark_ns = w.t
    w.vm_running = w.vm_was_running
