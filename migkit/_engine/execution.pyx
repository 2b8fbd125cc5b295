"""The guest's writes one by one, where their cost counts: throttled, faulting, filling rings.

A vCPU makes its writes in order, each when it is due or, if it is late, as soon as it can: time it
lost is caught up. It cannot while it sleeps: for auto-converge in every throttle period, for
dirty-limit with a full ring. In between, threads of QEMU read the rings.
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine cimport dirty_limit, throttling
from migkit._engine.content cimport Outcome
from migkit._engine.programs cimport gave_up, number_of, source_of
from migkit._engine.rings cimport note, reap, reap_one
from migkit._engine.types cimport EVENT_DIRTYLIMIT_VCPU_EXECUTE
from migkit._engine.vcpus cimport Vcpu, drop_write, make_vcpus, next_write
from migkit._engine.world cimport World

cdef int64_t REAPER_NS = 1_000_000_000


cdef void begin(World w) noexcept nogil:
    """Let each vCPU go its own way from now on."""
    if not make_vcpus(&w.cpus, w.vcpus, w.writer, w.dirty_log.ring_entries):
        w.out_of_memory()
        return
    if w.dirty_log.ring_entries > 0:
        w.cpus.reaper_ns = REAPER_NS


cdef void run(World w) noexcept nogil:
    """Play writes and threads in order, up to now; the VM has been running."""
    cdef int64_t offset = w.t - w.guest_run_ns      # from the guest's clock to virtual time
    cdef int64_t at, page, moment
    cdef Vcpu *vcpu
    cdef int index
    while not w.interrupted:
        vcpu = earliest(w, offset, &at, &page)
        moment = min(w.cpus.reaper_ns, w.dirty_limit.measure_ns)
        if moment <= min(at, w.t):
            read_rings(w, moment)
        elif vcpu == NULL or at > w.t:
            break
        else:
            make_write(w, vcpu, at, page)
            w.poll(1)
    w.guest_progress_ns = w.guest_run_ns
    for index in range(w.cpus.count):
        if next_write(&w.cpus.all[index], w.guest_run_ns, &at, &page):
            w.guest_progress_ns = min(w.guest_progress_ns, at)
        if gave_up(w.cpus.all[index].program):
            w.interrupted = True        # a callback failed: `Writer.failure` has it


cdef Vcpu *earliest(World w, int64_t offset, int64_t *soonest, int64_t *page) noexcept nogil:
    """Return the vCPU that writes next, and when; among equals the first."""
    cdef Vcpu *first = NULL
    cdef int64_t due, at, wanted
    cdef int index
    soonest[0] = INT64_MAX
    for index in range(w.cpus.count):
        if next_write(&w.cpus.all[index], w.guest_run_ns, &due, &wanted):
            at = awake(w, max(due + offset, w.cpus.all[index].free_ns))
            if at < soonest[0]:
                first = &w.cpus.all[index]
                soonest[0] = at
                page[0] = wanted
    return first


cdef int64_t awake(World w, int64_t at) noexcept nogil:
    """Return that moment, or the end of the throttle's sleep if it falls into one.

    From each tick on a vCPU sleeps, then runs for 10 ms (cpu-throttle.c).
    """
    cdef int64_t into
    if w.throttle_percentage == 0:
        return at
    if at < w.throttle_tick_ns:     # still in the slice of the step before
        return max(w.throttle_sleep_end_ns, at)
    into = (at - w.throttle_tick_ns) % throttling.throttle_period_ns(w.throttle_percentage)
    return at + max(throttling.throttle_sleep_ns(w.throttle_percentage) - into, 0)


cdef void make_write(World w, Vcpu *vcpu, int64_t at, int64_t page) noexcept nogil:
    """Make a vCPU's next write: what the log sees for the first time costs more."""
    cdef Outcome *outcome
    drop_write(vcpu)
    outcome = w.content.write(page, source_of(vcpu.program), number_of(vcpu.program))
    if w.xbzrle is not None:
        w.xbzrle.written(page, outcome, <int64_t> number_of(vcpu.program))
    vcpu.free_ns = at + w.dirty_log.write_ns
    if not note(w, page):
        return
    vcpu.free_ns += w.dirty_log.first_write_ns
    if w.dirty_log.ring_entries > 0:
        vcpu.ring[vcpu.entries] = page
        vcpu.entries += 1
        if vcpu.entries >= w.dirty_log.ring_limit:
            leave_with_full_ring(w, vcpu, at)


cdef void leave_with_full_ring(World w, Vcpu *vcpu, int64_t at) noexcept nogil:
    """Read the rings on the vCPU itself, then sleep if a limit says so (kvm_cpu_exec)."""
    cdef int64_t entries
    if w.dirty_limit.in_service:
        entries = reap_one(w, vcpu)
    else:
        entries = reap(w)
    vcpu.free_ns += w.dirty_log.ring_full_exit_ns + w.dirty_log.log_call_ns
    vcpu.free_ns += entries * w.dirty_log.protect_page_ps // 1000
    if w.dirty_limit.in_service and vcpu.sleep_us > 0:
        w.emit_at(at, EVENT_DIRTYLIMIT_VCPU_EXECUTE, vcpu.index, vcpu.sleep_us)
        vcpu.free_ns += vcpu.sleep_us * 1000
        vcpu.sleep_end_ns = vcpu.free_ns


cdef void read_rings(World w, int64_t moment) noexcept nogil:
    """Carry out what a thread does with the rings at that moment."""
    if moment == w.dirty_limit.measure_ns:
        dirty_limit.measure(w, moment)
        return
    w.cpus.reaper_ns += REAPER_NS   # kvm_dirty_ring_reaper_thread; a limit reads the rings itself
    if not w.dirty_limit.in_service:
        reap(w)


cdef int64_t sleeping_ns(World w) noexcept nogil:
    """Return how long a vCPU still sleeps; a sync waits until all have left the guest."""
    cdef int64_t longest
    cdef int index
    if not w.vm_running:
        return 0
    longest = awake(w, w.t)
    for index in range(w.cpus.count):
        longest = max(longest, w.cpus.all[index].sleep_end_ns)
    return longest - w.t
