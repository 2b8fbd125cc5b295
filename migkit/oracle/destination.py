"""The destination of a postcopy migration: a guest that runs into missing pages.

The vCPUs share the workload's writes. A write to a page that has not arrived is a fault: the fault
thread asks the source for the page, the vCPU waits, and catches up afterwards, a write after the
other (migration/postcopy-ram.c). Things happen here in order of time: pages come into place and
are accounted, faults are seen, messages leave, vCPUs write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from migkit.oracle import faults
from migkit.oracle.codes import Event
from migkit.oracle.incoming import PLACED_NS, PONG_PACKAGE_LOADED, REQUEST_NS
from migkit.oracle.network import Channel, arrival
from migkit.oracle.world import World

REQUEST_BYTES = 16
Happening = tuple[int, Callable[[], object]]


def start(w: World, runs_at: int) -> None:
    """Run the guest from `runs_at` on; what is dirty at the source is missing here."""
    w.missing = bytearray(w.bmap)
    w.destination_runs_ns = runs_at
    for vcpu in w.incoming.vcpus:
        vcpu.free_ns = runs_at


def advance(w: World, until: int) -> None:
    """Let everything happen that happens here up to `until`."""
    if w.destination_runs_ns < 0:
        return
    while (found := next_happening(w)) is not None:
        at, happen = found
        if at > horizon(w, until):
            return
        happen()


def horizon(w: World, until: int) -> int:
    """Return how far one can see: with preempt, a request is answered as soon as it arrives."""
    if w.plan.postcopy_preempt and w.incoming.requests:
        return min(until, w.incoming.requests[0][0])
    return until


def next_happening(w: World) -> Happening | None:
    """Return when the next thing happens, and what it is; of several at once, the first here."""
    d = w.incoming
    found: list[Happening] = [
        (arrivals[0][0], partial(place, w, arrivals))
        for arrivals in (d.in_flight, d.urgent)
        if arrivals
    ]
    if d.accounts:
        found.append((d.accounts[0][0], partial(account, w)))
    if d.handling and d.stuck is None:
        at = max(d.handling[0][0], d.fault_thread_ns)
        found.append((at, partial(faults.see, w, at)))
    if d.messages:
        # The socket holds a small segment back while another is not acknowledged (Nagle).
        at = max(d.messages[0][0], d.acked_ns)
        found.append((at, partial(send_messages, w, at)))
    writes = faults.next_write(w)
    if writes is not None:
        found.append((writes[0], partial(faults.write, w, *writes)))
    return min(found, key=lambda happening: happening[0], default=None)


def place(w: World, arrivals: deque[tuple[int, int]]) -> None:
    """Put a page where it belongs; whoever waits for it goes on (postcopy_place_page)."""
    at, page = arrivals.popleft()
    w.missing[page] = 0
    asked = False
    for vcpu in w.incoming.vcpus:
        if vcpu.waits and vcpu.page == page:
            if vcpu.asked:
                asked = True
                vcpu.row[PLACED_NS] = at
            vcpu.waits = False
            vcpu.free_ns = at + w.plan.host.vcpu_wake_ns
    if asked:
        w.incoming.accounts.append((at + w.incoming.costs.account_ns, page))


def account(w: World) -> None:
    """Account the vCPUs that waited for a page."""
    at, page = w.incoming.accounts.popleft()
    w.incoming.blocktime.end(page, at + w.plan.host.clock_phase_ns)


def say(w: World, at: int, what: int) -> None:
    """Have something to say to the source: a PONG."""
    w.incoming.messages.append((at, what))


def send_messages(w: World, at: int) -> None:
    """Send what has been held back until now, in one segment."""
    d = w.incoming
    arrives = arrival(w, Channel.BACK, at + d.costs.request_ns, REQUEST_BYTES)
    while d.messages and d.messages[0][0] <= at:
        _, what = d.messages.popleft()
        if isinstance(what, list):
            what[REQUEST_NS] = arrives
            d.requests.append((arrives, what))
        elif what == PONG_PACKAGE_LOADED:
            w.package_loaded_ns = arrives
            w.emit(Event.SOURCE_RETURN_PATH_THREAD_PONG, 0x42, at=arrives)
            w.emit(Event.SOURCE_RETURN_PATH_THREAD_POSTCOPY_PACKAGE_LOADED, at=arrives)
    if d.costs.delayed_ack_ns > 0:
        expire(w, at - w.latency_ns)
        d.heard_ns = arrives
        d.unacked = d.interactive
        d.acked_ns = arrives + w.latency_ns
        if d.unacked:
            d.acked_ns += d.costs.delayed_ack_ns


def expire(w: World, now: int) -> None:
    """Let the source's delayed acknowledgement go: its socket is not interactive after all."""
    d = w.incoming
    if d.unacked and now >= d.heard_ns + d.costs.delayed_ack_ns:
        d.unacked = d.interactive = False


def acknowledge(w: World) -> None:
    """Let what the source sends now acknowledge what it has heard.

    A socket that answers soon counts as interactive: it holds later acknowledgements back until
    it sends again or a timer ends; that ends the mode too (Linux, tcp_event_data_sent and
    tcp_delack_timer_handler).
    """
    d = w.incoming
    advance(w, w.t)
    if d.heard_ns < 0 or d.heard_ns > w.t:
        return
    expire(w, w.t)
    if w.t < d.heard_ns + d.costs.delayed_ack_ns:
        d.interactive = True
    if d.unacked:
        d.unacked = False
        d.acked_ns = min(d.acked_ns, w.t + w.latency_ns)


def hear(w: World) -> None:
    """Let the source take the requests that have come by now."""
    advance(w, w.t)
    faults.take_requests(w)


def await_package(w: World) -> None:
    """Let time pass until the source knows that the package is loaded."""
    while w.package_loaded_ns < 0 and w.incoming.messages:
        found = next_happening(w)
        assert found is not None
        advance(w, max(w.t, found[0]))
    w.t = max(w.t, w.package_loaded_ns)


def note_write(w: World, pages: list[int], last_at: int, service_ns: int) -> None:
    """Note a write: its last page is in place at `last_at`, the others evenly before it."""
    in_flight = w.incoming.in_flight
    before = in_flight[-1][0] if in_flight else 0
    for index, page in enumerate(pages):
        behind = service_ns * (len(pages) - 1 - index) // len(pages)
        in_flight.append((max(last_at - behind, before), page))


def drop_in_flight(w: World, cut: int) -> None:
    """Lose what had not arrived when the link broke at `cut`, and all messages with it."""
    d = w.incoming
    advance(w, cut)
    for lost in (d.in_flight, d.urgent, d.messages, d.requests, d.asked):
        lost.clear()
    d.broken = True


def go_on(w: World) -> None:
    """After recovery: repeat every open request, and let the fault thread try again."""
    d = w.incoming
    advance(w, w.t)
    faults.repeat_requests(w)
    if d.stuck is not None:
        d.messages.append((w.t, d.stuck))
    d.acked_ns = 0
    d.heard_ns = -1
    d.stuck = None
    d.broken = d.unacked = d.interactive = False
    d.fault_thread_ns = w.t
