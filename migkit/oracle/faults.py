"""Faults of the destination's vCPUs: the write that meets a missing page, and the request for it.

One thread sees the faults, in order (migration/postcopy-ram.c postcopy_ram_fault_thread); the
source takes the requests in the same order (migration/ram.c ram_save_queue_pages).
"""

from __future__ import annotations

from migkit.oracle.codes import Event
from migkit.oracle.incoming import PAGE, Vcpu
from migkit.oracle.world import PAGE_BYTES, World


def next_write(w: World) -> tuple[int, Vcpu] | None:
    """Return when the next write is made and by whom: the first vCPU of those that can."""
    times = [
        (at, index)
        for index, vcpu in enumerate(w.incoming.vcpus)
        if not vcpu.waits and (at := write_ns(w, vcpu)) is not None
    ]
    if not times:
        return None
    at, index = min(times)
    return at, w.incoming.vcpus[index]


def write_ns(w: World, vcpu: Vcpu) -> int | None:
    """Return when a vCPU makes its next write; None if it never does."""
    if not w.plan.vm_running:
        return None
    if touches_first(w, vcpu):
        return vcpu.free_ns
    if not have_write(w, vcpu):
        return None
    due = w.destination_runs_ns + vcpu.writes[0][0] - w.guest_progress_ns
    return max(due, vcpu.free_ns + w.plan.host.guest_write_ns)


def touches_first(w: World, vcpu: Vcpu) -> bool:
    """Whether the vCPU has pages to touch before the workload: those that are always dirty."""
    return vcpu is w.incoming.vcpus[0] and bool(w.incoming.first_touches)


def have_write(w: World, vcpu: Vcpu) -> bool:
    """Deal out the workload's writes until this vCPU has one; False if there is none left."""
    d = w.incoming
    while not vcpu.writes:
        due = w.writer.peek()
        if due is None:
            return False
        w.writer.pop()
        d.vcpus[d.taken % len(d.vcpus)].writes.append(due)
        d.taken += 1
    return True


def write(w: World, at: int, vcpu: Vcpu) -> None:
    """Make the next write, or run into a fault with it."""
    d = w.incoming
    first = touches_first(w, vcpu)
    page = d.first_touches[0] if first else vcpu.writes[0][1]
    if w.missing[page]:
        vcpu.waits, vcpu.asked, vcpu.page = True, False, page
        vcpu.fault_ns = at + w.plan.host.fault_ns
        d.handling.append((vcpu.fault_ns, vcpu))
        return
    vcpu.free_ns = at
    if first:
        d.first_touches.pop(0)
    else:
        vcpu.writes.popleft()


def see(w: World, at: int) -> None:
    """Let the fault thread see a fault: if the page has not come meanwhile, it asks for it."""
    d = w.incoming
    fault_ns, vcpu = d.handling.popleft()
    if not vcpu.waits or vcpu.asked or vcpu.fault_ns != fault_ns:
        return
    vcpu.asked = True
    index = next(i for i, other in enumerate(d.vcpus) if other is vcpu)
    vcpu.row = [vcpu.page, at, -1, -1, -1, index]
    w.tables["faults"].append(vcpu.row)
    d.blocktime.begin(index, vcpu.page, at + w.plan.host.clock_phase_ns)
    if d.broken:
        d.stuck = vcpu.row  # it stays with this fault until the link is back
        return
    d.messages.append((at, vcpu.row))


def repeat_requests(w: World) -> None:
    """Ask again for every page that somebody waits for, by address (the tree of requests)."""
    rows = {
        vcpu.page: vcpu.row for vcpu in reversed(w.incoming.vcpus) if vcpu.waits and vcpu.asked
    }
    for page in sorted(rows):
        w.incoming.messages.append((w.t, rows[page]))


def block_of(w: World, page: int) -> int:
    """Return the RAM block that a page belongs to."""
    block = 0
    while page >= w.block_start[block + 1]:
        block += 1
    return block


def take_requests(w: World) -> None:
    """Move the requests that have reached the source by now into its queue."""
    d = w.incoming
    while d.requests and d.requests[0][0] <= w.t:
        arrived, row = d.requests.popleft()
        announce(w, row, arrived)
        d.asked.append(row)


def announce(w: World, row: list[int], at: int) -> None:
    """Hear a request on the source."""
    block = block_of(w, row[PAGE])
    request = (block, (row[PAGE] - w.block_start[block]) * PAGE_BYTES, PAGE_BYTES)
    w.postcopy_requests += 1
    w.emit(Event.MIGRATE_HANDLE_RP_REQ_PAGES, *request, at=at)
    w.emit(Event.RAM_SAVE_QUEUE_PAGES, *request, at=at)
