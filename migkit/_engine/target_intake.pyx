"""From a plan to a world: a file as target, and capabilities that follow the guest's memory."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc

from migkit._engine.bitmap cimport clear_range
from migkit._engine.types cimport RUN_STATE_EXITED, STATE_NONE
from migkit._engine.words cimport new_words
from migkit._engine.world cimport World


cdef int take_target_fields(World w, plan) except -1:
    """Copy what a plan says of target and memory; the blocks are laid out."""
    take_shared(w, plan)
    take_target(w, plan.target)
    take_snapshot(w, plan.snapshot)
    take_release(w, plan.release)
    return 0


cdef int take_shared(World w, plan) except -1:
    """Leave out the blocks that stay behind: nothing of them is dirty."""
    w.shared.lists_addresses = plan.lists_addresses
    w.shared.ignored = <bint *> calloc(w.blocks, sizeof(bint))
    if w.shared.ignored == NULL:
        raise MemoryError
    for index in plan.ignored_blocks:
        w.shared.ignored[index] = True
        clear_range(w.bmap, w.block_start[index], w.block_start[index + 1])
        w.dirty_pages -= w.block_start[index + 1] - w.block_start[index]
    w.shared.migrated_pages = w.dirty_pages
    return 0


cdef int take_target(World w, target) except -1:
    """Copy what belongs to a file, if the stream goes into one."""
    if target is None:
        return 0
    w.target.is_file = True
    w.destination_state = STATE_NONE
    w.sides.destination = RUN_STATE_EXITED
    w.target.mapped_ram = target.mapped_ram
    w.target.byte_ps = target.byte_ps
    w.target.scattered_write_ns = target.scattered_write_ns
    w.target.cache_bytes = target.cache_bytes
    w.target.position = w.target.file_bytes = target.offset_bytes
    if target.mapped_ram:
        w.target.file_bmap = new_words(w.words)
        w.target.file_written = new_words(w.words)
        w.target.bitmap_offset = <int64_t *> calloc(w.blocks, sizeof(int64_t))
        w.target.pages_offset = <int64_t *> calloc(w.blocks, sizeof(int64_t))
        if w.target.bitmap_offset == NULL or w.target.pages_offset == NULL:
            raise MemoryError
    return 0


cdef int take_snapshot(World w, costs) except -1:
    """Copy the costs of background-snapshot, if it is on."""
    if costs is None:
        return 0
    w.snapshot.on = True
    w.snapshot.populate_page_ps = costs.populate_page_ps
    w.snapshot.protect_ns = costs.protect_ns
    w.snapshot.protect_page_ps = costs.protect_page_ps
    w.snapshot.resume_ns = costs.resume_ns
    w.snapshot.poll_ns = costs.poll_ns
    w.snapshot.fault_ns = costs.fault_ns
    w.snapshot.unprotect_ns = costs.unprotect_ns
    w.snapshot.wake_ns = costs.wake_ns
    w.snapshot.locked = new_words(w.words)
    return 0


cdef int take_release(World w, costs) except -1:
    """Copy the costs of release-ram, if it is on."""
    if costs is not None:
        w.release.on = True
        w.release.page_ns = costs.page_ns
        w.release.range_ns = costs.range_ns
    return 0
