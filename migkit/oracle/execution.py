"""The guest's writes one by one, where their cost counts: throttled, faulting, filling rings.

A vCPU makes its writes in order, each when it is due or, if it is late, as soon as it can: time it
lost is caught up. It cannot while it sleeps: for auto-converge in every throttle period, for
dirty-limit with a full ring. In between, threads of QEMU read the rings.
"""

from __future__ import annotations

from migkit.oracle import dirty_limit, throttling
from migkit.oracle.codes import Event
from migkit.oracle.rings import reap
from migkit.oracle.vcpus import Vcpu
from migkit.oracle.world import World

REAPER_NS = 1_000_000_000
NEVER = 2**63 - 1


def begin(w: World) -> None:
    """Let each vCPU go its own way from now on."""
    w.vcpus = [Vcpu(w, index) for index in range(w.plan.vcpus)]
    w.executing = True
    if w.plan.dirty_log.ring_entries:
        w.reaper_ns = REAPER_NS


def run(w: World) -> None:
    """Play writes and threads in order, up to now; the VM has been running."""
    offset = w.t - w.guest_run_ns  # from the guest's clock to virtual time
    while True:
        vcpu, at = earliest(w, offset)
        moment = min(w.reaper_ns, w.dirty_limit.measure_ns)
        if moment <= min(at, w.t):
            read_rings(w, moment)
        elif vcpu is None or at > w.t:
            break
        else:
            make_write(w, vcpu, at)
    writes = [vcpu.next_write(w.guest_run_ns) for vcpu in w.vcpus]
    w.guest_progress_ns = min([w.guest_run_ns, *(write[0] for write in writes if write)])


def earliest(w: World, offset: int) -> tuple[Vcpu | None, int]:
    """Return the vCPU that writes next, and when; among equals the first."""
    first, soonest = None, NEVER
    for vcpu in w.vcpus:
        write = vcpu.next_write(w.guest_run_ns)
        if write is None:
            continue
        at = awake(w, max(write[0] + offset, vcpu.free_ns))
        if at < soonest:
            first, soonest = vcpu, at
    return first, soonest


def awake(w: World, at: int) -> int:
    """Return that moment, or the end of the throttle's sleep if it falls into one.

    From each tick on a vCPU sleeps, then runs for 10 ms (cpu-throttle.c).
    """
    if w.throttle_percentage == 0:
        return at
    if at < w.throttle_tick_ns:  # still in the slice of the step before
        return max(w.throttle_sleep_end_ns, at)
    into = (at - w.throttle_tick_ns) % throttling.throttle_period_ns(w.throttle_percentage)
    return at + max(throttling.throttle_sleep_ns(w.throttle_percentage) - into, 0)


def make_write(w: World, vcpu: Vcpu, at: int) -> None:
    """Make a vCPU's next write: what the log sees for the first time costs more."""
    write = vcpu.next_write(w.guest_run_ns)
    assert write is not None
    vcpu.writer.step()
    outcome = w.content.write(*write[1:])
    if w.xbzrle is not None:
        w.xbzrle.written(write[1], outcome, write[3])
    costs = w.plan.dirty_log
    vcpu.free_ns = at + costs.write_ns
    if not w.dirty_log.note(write[1]):
        return
    vcpu.free_ns += costs.first_write_ns
    if costs.ring_entries:
        vcpu.ring.append(write[1])
        if len(vcpu.ring) >= costs.ring_limit:
            leave_with_full_ring(w, vcpu, at)


def leave_with_full_ring(w: World, vcpu: Vcpu, at: int) -> None:
    """Read the rings on the vCPU itself, then sleep if a limit says so (kvm_cpu_exec)."""
    costs, limited = w.plan.dirty_log, w.dirty_limit.in_service
    entries = reap(w, [vcpu] if limited else w.vcpus)
    vcpu.free_ns += costs.ring_full_exit_ns + costs.log_call_ns
    vcpu.free_ns += entries * costs.protect_page_ps // 1000
    if limited and vcpu.sleep_us > 0:
        w.emit(Event.DIRTYLIMIT_VCPU_EXECUTE, vcpu.index, vcpu.sleep_us, at=at)
        vcpu.free_ns += vcpu.sleep_us * 1000
        vcpu.sleep_end_ns = vcpu.free_ns


def read_rings(w: World, moment: int) -> None:
    """Carry out what a thread does with the rings at that moment."""
    if moment == w.dirty_limit.measure_ns:
        dirty_limit.measure(w, moment)
        return
    w.reaper_ns += REAPER_NS  # kvm_dirty_ring_reaper_thread; a limit reads the rings itself
    if not w.dirty_limit.in_service:
        reap(w, w.vcpus)


def sleeping_ns(w: World) -> int:
    """Return how long a vCPU still sleeps; a sync waits until all have left the guest."""
    if not w.vm_running:
        return 0
    longest = max((vcpu.sleep_end_ns for vcpu in w.vcpus), default=0)
    return max(awake(w, w.t), longest) - w.t
