"""Capability dirty-limit: a limit for each vCPU's dirty rate (system/dirtylimit.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport throttling
from migkit._engine.rings cimport reap
from migkit._engine.types cimport EVENT_DIRTYLIMIT_THROTTLE_PCT, EVENT_MIGRATION_DIRTY_LIMIT_GUEST
from migkit._engine.vcpus cimport Vcpu
from migkit._engine.world cimport World


cdef void engage(World w) noexcept nogil:
    """Set the limit for all vCPUs, unless it is in force (migration_dirty_limit_guest)."""
    cdef int index
    if w.dirty_limit.in_service and w.dirty_limit.quota == w.parameters.vcpu_dirty_limit:
        return
    w.dirty_limit.quota = w.parameters.vcpu_dirty_limit
    if not w.dirty_limit.in_service:
        w.dirty_limit.in_service = True
        for index in range(w.cpus.count):
            w.cpus.all[index].measured_pages = w.cpus.all[index].dirty_pages
        w.dirty_limit.period_ms = w.parameters.dirty_limit_period_ms
        w.dirty_limit.measure_ns = w.t + w.dirty_limit.period_ms * 1_000_000
    w.emit(EVENT_MIGRATION_DIRTY_LIMIT_GUEST, w.dirty_limit.quota)


cdef void measure(World w, int64_t now) noexcept nogil:
    """End a measurement, adjust every vCPU's sleep, begin the next (dirtylimit_process).

    To read a ring its vCPU must have left the guest; one that sleeps is waited for.
    """
    cdef int index
    cdef int64_t longest = 0
    cdef Vcpu *vcpu
    for index in range(w.cpus.count):
        longest = max(longest, w.cpus.all[index].sleep_end_ns)
    if longest > now and not w.dirty_limit.waits:
        w.dirty_limit.waits = True
        w.dirty_limit.measure_ns = longest
        return
    w.dirty_limit.waits = False
    reap(w)
    for index in range(w.cpus.count):
        vcpu = &w.cpus.all[index]
        vcpu.rate_mb_per_s = throttling.dirty_limit_rate(
            vcpu.dirty_pages - vcpu.measured_pages, w.dirty_limit.period_ms
        )
        vcpu.measured_pages = vcpu.dirty_pages
        adjust(w, vcpu, now)
    w.dirty_limit.period_ms = w.parameters.dirty_limit_period_ms
    w.dirty_limit.measure_ns = (now + w.cpus.count * w.dirty_log.kick_vcpu_ns
                                + w.dirty_limit.period_ms * 1_000_000)


cdef void adjust(World w, Vcpu *vcpu, int64_t now) noexcept nogil:
    """Set how long a vCPU sleeps from now on when its ring is full (dirtylimit_set_throttle)."""
    cdef int64_t percent, step_us, largest = max(w.dirty_limit.largest, vcpu.rate_mb_per_s)
    percent, step_us = throttling.dirty_limit_linear_step(
        w.dirty_limit.quota, vcpu.rate_mb_per_s, w.dirty_log.ring_entries, largest
    )
    vcpu.sleep_us, w.dirty_limit.largest = throttling.dirty_limit_step(
        w.dirty_limit.quota, vcpu.rate_mb_per_s, vcpu.sleep_us, w.dirty_log.ring_entries,
        w.dirty_limit.largest,
    )
    if percent > 0:
        w.emit_at(now, EVENT_DIRTYLIMIT_THROTTLE_PCT, vcpu.index, percent, step_us)


cdef int64_t throttle_time_us(World w) noexcept nogil:
    """Return the longest sleep of a vCPU with a full ring (dirtylimit_throttle_time_per_round)."""
    cdef int index
    cdef int64_t longest = 0
    for index in range(w.cpus.count):
        longest = max(longest, w.cpus.all[index].sleep_us)
    return longest


cdef int64_t ring_full_time_us(World w) noexcept nogil:
    """Return how long a ring takes to fill at the average rate (dirtylimit_ring_full_time)."""
    cdef int index
    cdef int64_t rate = 0
    for index in range(w.cpus.count):
        rate += w.cpus.all[index].rate_mb_per_s
    if rate == 0:
        return 0
    return throttling.dirty_limit_full_us(
        w.dirty_log.ring_entries, max(w.dirty_limit.largest, rate // w.cpus.count)
    )
