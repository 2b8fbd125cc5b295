"""The destination of a postcopy migration: a guest that runs into missing pages.

The vCPUs share the workload's writes. A write to a page that has not arrived is a fault: the fault
thread asks the source for the page, the vCPU waits, and catches up afterwards, a write after the
other (migration/postcopy-ram.c). Things happen here in order of time: pages come into place and
are accounted, faults are seen, messages leave, vCPUs write.
"""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy

from migkit._engine cimport blocktime, faults
from migkit._engine.bitmap cimport clear_bit
from migkit._engine.channels cimport CHANNEL_BACK
from migkit._engine.incoming cimport PONG_PACKAGE_LOADED, Incoming, Vcpu
from migkit._engine.network cimport arrival
from migkit._engine.queues cimport Queue, clear, length, push
from migkit._engine.types cimport (
    EVENT_SOURCE_RETURN_PATH_THREAD_PONG,
    EVENT_SOURCE_RETURN_PATH_THREAD_POSTCOPY_PACKAGE_LOADED,
)
from migkit._engine.world cimport World

cdef enum Happening:
    PLACED
    PLACED_URGENT
    ACCOUNTED
    FAULT_SEEN
    MESSAGE
    WRITE

cdef enum:
    PING_PACKAGE_LOADED = 0x42
    REQUEST_BYTES = 16


cdef void start(World w, int64_t listens_at, int64_t runs_at) noexcept nogil:
    """Take pages from `listens_at` on and run the guest from `runs_at` on.

    What is dirty at the source is missing here.
    """
    cdef Incoming *d = &w.incoming
    cdef int index
    memcpy(w.missing, w.bmap, <size_t> w.words * 8)
    w.destination_runs_ns = runs_at
    for index in range(d.vcpus):
        d.vcpu[index].free_ns = runs_at
    d.first_touch = 0
    d.quiet_until_ns = min(d.quiet_until_ns, listens_at)


cdef void advance(World w, int64_t until) noexcept nogil:
    """Let everything happen that happens here up to `until`."""
    cdef int64_t at
    cdef Happening what
    if w.destination_runs_ns < 0 or w.incoming.quiet_until_ns > until:
        return
    while True:
        what = next_happening(w, &at)
        if at > horizon(w, until):
            w.incoming.quiet_until_ns = at
            return
        happen(w, what, at)


cdef int64_t horizon(World w, int64_t until) noexcept nogil:
    """Return how far one can see: with preempt, a request is answered as soon as it arrives."""
    cdef Queue *requests = &w.incoming.requests
    if w.postcopy_preempt and length(requests) > 0:
        return min(until, requests.first[requests.head])
    return until


cdef Happening next_happening(World w, int64_t *at) noexcept nogil:
    """Tell what happens next, and when; INT64_MAX if nothing does."""
    cdef Incoming *d = &w.incoming
    cdef Happening what = PLACED
    at[0] = INT64_MAX
    if length(&d.in_flight) > d.batch:
        at[0] = d.in_flight.first[d.in_flight.head]
    if length(&d.urgent) > 0 and d.urgent.first[d.urgent.head] < at[0]:
        at[0], what = d.urgent.first[d.urgent.head], PLACED_URGENT
    if length(&d.accounts) > 0 and d.accounts.first[d.accounts.head] < at[0]:
        at[0], what = d.accounts.first[d.accounts.head], ACCOUNTED
    if fault_seen_ns(d) < at[0]:
        at[0], what = fault_seen_ns(d), FAULT_SEEN
    if message_ns(d) < at[0]:
        at[0], what = message_ns(d), MESSAGE
    if d.next_vcpu < 0:
        faults.find_next_write(w)
    if d.next_write_ns < at[0]:
        at[0], what = d.next_write_ns, WRITE
    return what


cdef int64_t fault_seen_ns(Incoming *d) noexcept nogil:
    """Return when the fault thread sees the next fault."""
    if length(&d.handling) == 0 or d.stuck_row >= 0:
        return INT64_MAX
    return max(d.handling.first[d.handling.head], d.fault_thread_ns)


cdef int64_t message_ns(Incoming *d) noexcept nogil:
    """Return when the next message leaves: not before all earlier ones are acknowledged.

    The socket holds a small segment back while another is not acknowledged (Nagle's algorithm).
    """
    if length(&d.messages) == 0:
        return INT64_MAX
    return max(d.messages.first[d.messages.head], d.acked_ns)


cdef void happen(World w, Happening what, int64_t at) noexcept nogil:
    """Let one thing happen."""
    cdef Incoming *d = &w.incoming
    if what == PLACED:
        place(w, d.in_flight.second[d.in_flight.head], at)
        d.in_flight.head += 1
    elif what == PLACED_URGENT:
        place(w, d.urgent.second[d.urgent.head], at)
        d.urgent.head += 1
    elif what == ACCOUNTED:
        blocktime.end(&d.blocktime, d.accounts.second[d.accounts.head],
                      at + w.host.clock_phase_ns)
        d.accounts.head += 1
    elif what == FAULT_SEEN:
        faults.see(w, at)
    elif what == MESSAGE:
        send_messages(w, at)
    else:
        faults.write(w)


cdef void place(World w, int64_t page, int64_t at) noexcept nogil:
    """Put a page where it belongs; whoever waits for it goes on (postcopy_place_page)."""
    cdef Incoming *d = &w.incoming
    cdef Vcpu *vcpu
    cdef int index
    cdef bint asked = False
    clear_bit(w.missing, page)
    if d.waiting == 0:
        return
    for index in range(d.vcpus):
        vcpu = &d.vcpu[index]
        if vcpu.waits and vcpu.page == page:
            if vcpu.asked:
                asked = True
                faults.cell(w, vcpu.row, faults.PLACED_NS)[0] = at
            vcpu.waits = False
            vcpu.free_ns = at + w.host.vcpu_wake_ns
            d.waiting -= 1
            d.next_vcpu = -1
    if asked:
        push(&d.accounts, at + d.costs.account_ns, page)


cdef void say(World w, int64_t at, int64_t what) noexcept nogil:
    """Have something to say to the source: a PONG, or a request by its row."""
    push(&w.incoming.messages, at, what)
    w.incoming.quiet_until_ns = min(w.incoming.quiet_until_ns, at)


cdef void send_messages(World w, int64_t at) noexcept nogil:
    """Send what has been held back until now, in one segment."""
    cdef Incoming *d = &w.incoming
    cdef Queue *messages = &d.messages
    cdef int64_t arrives = arrival(w, CHANNEL_BACK, at + d.costs.request_ns, REQUEST_BYTES), what
    while length(messages) > 0 and messages.first[messages.head] <= at:
        what = messages.second[messages.head]
        messages.head += 1
        if what >= 0:
            faults.cell(w, what, faults.REQUEST_NS)[0] = arrives
            push(&d.requests, arrives, what)
        elif what == PONG_PACKAGE_LOADED:
            w.package_loaded_ns = arrives
            w.emit_at(arrives, EVENT_SOURCE_RETURN_PATH_THREAD_PONG, PING_PACKAGE_LOADED)
            w.emit_at(arrives, EVENT_SOURCE_RETURN_PATH_THREAD_POSTCOPY_PACKAGE_LOADED)
    if d.costs.delayed_ack_ns > 0:
        expire(d, at - w.net.latency_ns)
        d.heard_ns = arrives
        d.unacked = d.interactive
        d.acked_ns = arrives + w.net.latency_ns
        if d.unacked:
            d.acked_ns += d.costs.delayed_ack_ns


cdef void expire(Incoming *d, int64_t now) noexcept nogil:
    """The source's delayed acknowledgement is due: its socket is not interactive after all."""
    if d.unacked and now >= d.heard_ns + d.costs.delayed_ack_ns:
        d.unacked = d.interactive = False


cdef void acknowledge(World w) noexcept nogil:
    """Let what the source sends now acknowledge what it has heard.

    A socket that answers soon counts as interactive: it holds later acknowledgements back until
    it sends again or a timer ends; that ends the mode too (Linux, tcp_event_data_sent and
    tcp_delack_timer_handler).
    """
    cdef Incoming *d = &w.incoming
    advance(w, w.t)
    if d.heard_ns < 0 or d.heard_ns > w.t:
        return
    expire(d, w.t)
    if w.t < d.heard_ns + d.costs.delayed_ack_ns:
        d.interactive = True
    if d.unacked:
        d.unacked = False
        d.acked_ns = min(d.acked_ns, w.t + w.net.latency_ns)
        d.quiet_until_ns = min(d.quiet_until_ns, d.acked_ns)


cdef void hear(World w) noexcept nogil:
    """Let the source take the requests that have come by now."""
    advance(w, w.t)
    faults.take_requests(w)


cdef void await_package(World w) noexcept nogil:
    """Let time pass until the source knows that the package is loaded."""
    while w.package_loaded_ns < 0 and length(&w.incoming.messages) > 0:
        advance(w, max(w.t, w.incoming.quiet_until_ns))
    w.t = max(w.t, w.package_loaded_ns)


cdef void note_page(World w, int64_t page) noexcept nogil:
    """Remember a page of the write that is being put together."""
    push(&w.incoming.in_flight, INT64_MAX, page)
    w.incoming.batch += 1


cdef void note_write(World w, int64_t last_at, int64_t service_ns) noexcept nogil:
    """The write is out; its last page is in place at `last_at`, or -1: it failed and is lost."""
    cdef Incoming *d = &w.incoming
    cdef int64_t index, at, pages = d.batch, before = 0
    cdef int64_t first = d.in_flight.tail - pages
    if pages == 0:
        return
    d.batch = 0
    if last_at < 0:
        d.in_flight.tail -= pages
        return
    if first > d.in_flight.head:
        before = d.in_flight.first[first - 1]
    for index in range(pages):
        at = last_at - service_ns * (pages - 1 - index) // pages
        d.in_flight.first[first + index] = max(at, before)
    d.quiet_until_ns = min(d.quiet_until_ns, d.in_flight.first[first])


cdef void note_urgent(World w, int64_t at, int64_t page) noexcept nogil:
    """A page is on its way on the second channel; none overtakes another."""
    w.incoming.urgent_placed_ns = max(w.incoming.urgent_placed_ns, at)
    push(&w.incoming.urgent, w.incoming.urgent_placed_ns, page)
    w.incoming.quiet_until_ns = min(w.incoming.quiet_until_ns, w.incoming.urgent_placed_ns)


cdef void drop_in_flight(World w, int64_t cut) noexcept nogil:
    """Lose what had not arrived when the link broke at `cut`, and all messages with it."""
    cdef Incoming *d = &w.incoming
    advance(w, cut)
    clear(&d.in_flight)
    clear(&d.urgent)
    clear(&d.messages)
    clear(&d.requests)
    clear(&d.asked)
    d.batch = 0
    d.broken = True


cdef void go_on(World w) noexcept nogil:
    """After recovery: repeat every open request, and let the fault thread try again."""
    cdef Incoming *d = &w.incoming
    advance(w, w.t)
    faults.repeat_requests(w)
    if d.stuck_row >= 0:
        push(&d.messages, w.t, d.stuck_row)
    d.acked_ns = 0
    d.heard_ns = d.stuck_row = -1
    d.broken = d.unacked = d.interactive = False
    d.fault_thread_ns = w.t
    d.quiet_until_ns = min(d.quiet_until_ns, w.t)
