"""The destination of a postcopy migration: a guest that runs into missing pages.

One vCPU runs the workload's writes in order. A write to a page that has not arrived is a fault: a
request goes back to the source and the vCPU waits; missed time is caught up afterwards, a write
after the other (migration/postcopy-ram.c; the guest is that of the captures' README).
"""

from __future__ import annotations

from migkit.oracle.codes import Event
from migkit.oracle.network import Channel, arrival
from migkit.oracle.world import PAGE_BYTES, World

PAGE, FAULT, REQUEST, SENT = range(4)
REQUEST_BYTES = 16


def start(w: World, runs_at: int) -> None:
    """Start the guest on the destination at `runs_at`; what is dirty at the source is missing."""
    w.missing = bytearray(w.bmap)
    w.destination_runs_ns = runs_at
    w.vcpu_free_ns = runs_at
    w.first_touches = list(w.plan.always_dirty_pages)


def advance(w: World, until: int) -> None:
    """Run arrivals and the vCPU's writes, in order, up to `until`."""
    if w.destination_runs_ns < 0 or w.destination_runs_ns > until:
        return
    while True:
        if w.vcpu_fault is not None and not wake(w, horizon(w, until)):
            return
        at, page = next_write(w)
        if at < 0 or at > until:
            return
        arrive(w, at)
        if w.missing[page]:
            fault(w, at, page)
        else:
            consume(w)
            w.vcpu_free_ns = at


def horizon(w: World, until: int) -> int:
    """Return how far the waiting vCPU can be followed: with preempt, to its request's answer."""
    if w.plan.postcopy_preempt and w.requests:
        return min(until, w.requests[0][0])
    return until


def next_write(w: World) -> tuple[int, int]:
    """Return when the vCPU writes next and to which page; (-1, -1) if never."""
    if w.first_touches:
        return w.vcpu_free_ns, w.first_touches[0]
    due = w.writer.peek()
    if due is None:
        return -1, -1
    program_ns, page = due
    at = w.destination_runs_ns + program_ns - w.guest_progress_ns
    return max(at, w.vcpu_free_ns + w.plan.host.guest_write_ns), page


def consume(w: World) -> None:
    """Take the next write off the list: it is done."""
    if w.first_touches:
        w.first_touches.pop(0)
    else:
        w.writer.pop()


def arrive(w: World, until: int) -> int:
    """Place the pages that have arrived by `until`; return when the awaited one came, or -1."""
    awaited = -1
    while w.in_flight and w.in_flight[0][0] <= until:
        at, pages = w.in_flight.popleft()
        for page in pages:
            awaited = place(w, at, page, awaited)
    while w.urgent_in_flight and w.urgent_in_flight[0][0] <= until:
        at, page = w.urgent_in_flight.popleft()
        awaited = place(w, at, page, awaited)
    return awaited


def place(w: World, at: int, page: int, awaited: int) -> int:
    """Put a page where it belongs; return `at` if the vCPU waits for it, else `awaited`."""
    w.missing[page] = 0
    if w.vcpu_fault is not None and w.vcpu_fault[PAGE] == page:
        return at
    return awaited


def next_arrival(w: World) -> int:
    """Return when the next pages come, on either channel, or -1."""
    heads = [queue[0][0] for queue in (w.in_flight, w.urgent_in_flight) if queue]
    return min(heads, default=-1)


def wake(w: World, until: int) -> bool:
    """Let the vCPU go on if its page has come by `until`."""
    placed = -1
    while placed < 0 and 0 <= next_arrival(w) <= until:
        placed = arrive(w, next_arrival(w))
    if placed < 0 or w.vcpu_fault is None:
        return False
    page, faulted, requested, sent = w.vcpu_fault
    w.tables["faults"].append((page, faulted, requested, sent, placed))
    w.vcpu_free_ns = placed + w.plan.host.vcpu_wake_ns
    w.vcpu_fault = None
    return True


def fault(w: World, at: int, page: int) -> None:
    """Block the vCPU on a missing page and ask the source for it."""
    arrives = arrival(w, Channel.BACK, at + w.plan.host.fault_ns, REQUEST_BYTES)
    w.vcpu_fault = [page, at, arrives, -1]
    w.requests.append((arrives, page))


def take_requests(w: World) -> None:
    """Move the requests that have reached the source by now into its queue."""
    advance(w, w.t)
    while w.requests and w.requests[0][0] <= w.t:
        arrived, page = w.requests.popleft()
        block = block_of(w, page)
        offset = (page - w.block_start[block]) * PAGE_BYTES
        w.postcopy_requests += 1
        w.emit(Event.MIGRATE_HANDLE_RP_REQ_PAGES, block, offset, PAGE_BYTES, at=arrived)
        w.emit(Event.RAM_SAVE_QUEUE_PAGES, block, offset, PAGE_BYTES, at=arrived)
        w.queue.append(page)
        if w.vcpu_fault is not None and w.bmap[page]:
            w.vcpu_fault[SENT] = w.t


def block_of(w: World, page: int) -> int:
    """Return the RAM block that a page belongs to."""
    block = 0
    while page >= w.block_start[block + 1]:
        block += 1
    return block


def drop_in_flight(w: World, cut: int) -> None:
    """Lose what had not arrived when the link broke at `cut`, and the requests with it."""
    advance(w, cut)
    arrive(w, cut)
    w.in_flight.clear()
    w.urgent_in_flight.clear()
    w.requests.clear()
    w.queue.clear()
