"""A background snapshot: memory as it was at one moment, while the guest goes on.

The device state is saved first, into memory, and follows RAM in the stream; no page is sent twice
and no dirty log is kept (migration/migration.c bg_migration_thread).
"""

from libc.stdint cimport int64_t

from migkit._engine cimport endings, passes, savevm, switchover, tracking
from migkit._engine.stream cimport flush, put
from migkit._engine.types cimport (
    CHECKPOINT_NON_ITERABLE_SAVED, DECISION_COMPLETE, DECISION_ITERATE, PAGE_BYTES,
    RUN_STATE_PAUSED,
)
from migkit._engine.world cimport World


cdef void prepare(World w) noexcept nogil:
    """Read every page once: only a page that is there can be protected."""
    w.t += w.shared.migrated_pages * w.snapshot.populate_page_ps // 1000


cdef void start(World w) noexcept nogil:
    """Stop the guest, save its devices into memory, protect its memory, let it go on."""
    endings.take_lock(w)
    switchover.stop_vm(w)
    w.sides.source = RUN_STATE_PAUSED
    w.t += w.host.device_state_ns
    w.snapshot.buffer_bytes = savevm.device_bytes(w) + 1 + w.vmdesc_bytes
    w.transferred += w.snapshot.buffer_bytes    # the memory file counts too (qemu-file.c)
    endings.checkpoint(w, CHECKPOINT_NON_ITERABLE_SAVED)
    tracking.start(w)
    endings.release_lock(w)


cdef void iteration_run(World w) noexcept nogil:
    """One pass: there is nothing to decide and no limit (bg_migration_iteration_run)."""
    cdef int64_t left = w.dirty_pages * PAGE_BYTES
    cdef passes.Pass began = passes.begin(w)
    cdef bint done = savevm.iterate(w)
    if done and not w.error:
        complete(w)
    passes.record(w, &began, left, -1, 0, DECISION_COMPLETE if done else DECISION_ITERATE)


cdef void complete(World w) noexcept nogil:
    """Append the devices and end the stream (bg_migration_completion)."""
    put(w, w.snapshot.buffer_bytes)
    flush(w)
    if w.error:
        endings.fail(w)
        return
    endings.finish(w)
