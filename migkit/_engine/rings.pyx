"""The vCPUs' dirty rings: read out, and filled again (kvm-all.c, kvm_dirty_ring_reap)."""

from libc.stdint cimport int64_t

from migkit._engine.bitmap cimport clear_bit, set_bit, test
from migkit._engine.dirty_map cimport dirty
from migkit._engine.vcpus cimport Vcpu
from migkit._engine.world cimport World


cdef bint note(World w, int64_t page) noexcept nogil:
    """Log a write; tell whether the log saw it, not one before it since it looked last."""
    if w.dirty_log.in_rings == NULL:
        if test(w.log, page):
            return False
        dirty(&w.log_map, page)
    else:
        if test(w.dirty_log.in_rings, page):
            return False
        set_bit(w.dirty_log.in_rings, page)
    return True


cdef int64_t reap(World w) noexcept nogil:
    """Read all rings out and have their pages protected again; return how many there were."""
    cdef int64_t entries = 0
    cdef int index
    for index in range(w.cpus.count):
        entries += empty(w, &w.cpus.all[index])
    touch(w)
    return entries


cdef int64_t reap_one(World w, Vcpu *vcpu) noexcept nogil:
    """Read one ring out."""
    cdef int64_t entries = empty(w, vcpu)
    touch(w)
    return entries


cdef int64_t empty(World w, Vcpu *vcpu) noexcept nogil:
    """Take a ring's entries into QEMU's log."""
    cdef int64_t index, entries = vcpu.entries
    for index in range(entries):
        dirty(&w.log_map, vcpu.ring[index])
        clear_bit(w.dirty_log.in_rings, vcpu.ring[index])
    vcpu.dirty_pages += entries
    vcpu.entries = 0
    return entries


cdef void touch(World w) noexcept nogil:
    """Write what the guest writes without end: its first vCPU does."""
    cdef int index
    cdef Vcpu *first
    if not w.vm_running:
        return
    for index in range(w.always_dirty_count):
        w.content.touch(w.always_dirty[index])
        if w.xbzrle is not None:
            w.xbzrle.touched(w.always_dirty[index])
        if note(w, w.always_dirty[index]) and w.dirty_log.in_rings != NULL:
            first = &w.cpus.all[0]
            if first.entries < w.dirty_log.ring_entries:
                first.ring[first.entries] = w.always_dirty[index]
                first.entries += 1
