"""The destination of a postcopy migration: a guest that runs into missing pages.

One vCPU runs the workload's writes in order. A write to a page that has not arrived is a fault: a
request goes back to the source and the vCPU waits; missed time is caught up afterwards, a write
after the other (migration/postcopy-ram.c).
"""

from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy, memmove

from migkit._engine.bitmap cimport clear_bit, test
from migkit._engine.channels cimport CHANNEL_BACK
from migkit._engine.network cimport arrival
from migkit._engine.types cimport (
    EVENT_MIGRATE_HANDLE_RP_REQ_PAGES, EVENT_RAM_SAVE_QUEUE_PAGES, PAGE_BYTES,
)
from migkit._engine.world cimport MAX_QUEUE, Arrival, World

cdef enum:
    REQUEST_BYTES = 16


cdef void start(World w, int64_t runs_at) noexcept nogil:
    """Start the guest there at `runs_at`; what is dirty at the source is missing."""
    memcpy(w.missing, w.bmap, <size_t> w.words * 8)
    w.destination_runs_ns = runs_at
    w.vcpu_free_ns = runs_at
    w.first_touch = 0
    w.quiet_until_ns = runs_at


cdef void advance(World w, int64_t until) noexcept nogil:
    """Run arrivals and the vCPU's writes, in order, up to `until`."""
    cdef int64_t at, page
    if w.destination_runs_ns < 0 or w.quiet_until_ns > until:
        return
    while True:
        if w.faulted and not wake(w, horizon(w, until)):
            return
        if not next_write(w, &at, &page):
            w.quiet_until_ns = INT64_MAX
            return
        if at > until:
            w.quiet_until_ns = at
            return
        arrive(w, at)
        if test(w.missing, page):
            fault(w, at, page)
        else:
            consume(w)
            w.vcpu_free_ns = at


cdef int64_t horizon(World w, int64_t until) noexcept nogil:
    """Return how far the waiting vCPU can be followed: with preempt, to its request's answer."""
    if w.postcopy_preempt and w.requests > 0:
        return min(until, w.request_at_ns[0])
    return until


cdef bint next_write(World w, int64_t *at, int64_t *page) noexcept nogil:
    """Tell when the vCPU writes next and to which page; False if never."""
    cdef int64_t program_ns
    if w.first_touch < w.always_dirty_count:
        at[0] = w.vcpu_free_ns
        page[0] = w.always_dirty[w.first_touch]
        return True
    if not w.writer.peek(&program_ns, page):
        return False
    at[0] = max(w.destination_runs_ns + program_ns - w.guest_progress_ns,
                w.vcpu_free_ns + w.host.guest_write_ns)
    return True


cdef void consume(World w) noexcept nogil:
    """Take the next write off the list: it is done."""
    if w.first_touch < w.always_dirty_count:
        w.first_touch += 1
    else:
        w.writer.pop()


cdef int64_t arrive(World w, int64_t until) noexcept nogil:
    """Place the pages that have arrived by `until`; return when the awaited one came, or -1."""
    cdef int64_t awaited = -1, page
    cdef Arrival *batch
    while w.arrivals_head < w.arrivals_tail and w.arrivals[w.arrivals_head].at_ns <= until:
        batch = &w.arrivals[w.arrivals_head]
        for _ in range(batch.pages):
            page = w.in_flight[w.in_flight_head]
            w.in_flight_head += 1
            clear_bit(w.missing, page)
            if w.faulted and w.fault_page == page:
                awaited = batch.at_ns
        w.arrivals_head += 1
    while w.urgent_in_flight > 0 and w.urgent_at_ns[0] <= until:
        page = w.urgent_page[0]
        clear_bit(w.missing, page)
        if w.faulted and w.fault_page == page:
            awaited = w.urgent_at_ns[0]
        w.urgent_in_flight -= 1
        shift(w.urgent_at_ns, w.urgent_page, w.urgent_in_flight)
    return awaited


cdef void shift(int64_t *at_ns, int64_t *page, int left) noexcept nogil:
    """Close the gap at the head of a short queue."""
    cdef int index
    for index in range(left):
        at_ns[index] = at_ns[index + 1]
        page[index] = page[index + 1]


cdef int64_t next_arrival(World w) noexcept nogil:
    """Return when the next pages come, on either channel; INT64_MAX if none are on their way."""
    cdef int64_t first = INT64_MAX
    if w.arrivals_head < w.arrivals_tail:
        first = w.arrivals[w.arrivals_head].at_ns
    if w.urgent_in_flight > 0:
        first = min(first, w.urgent_at_ns[0])
    return first


cdef bint wake(World w, int64_t until) noexcept nogil:
    """Let the vCPU go on if its page has come by `until`."""
    cdef int64_t placed = -1
    cdef int64_t *row
    while placed < 0 and next_arrival(w) <= until:
        placed = arrive(w, next_arrival(w))
    if placed < 0:
        w.quiet_until_ns = next_arrival(w)
        return False
    row = w.faults.new_row()
    row[0] = w.fault_page
    row[1] = w.fault_at_ns
    row[2] = w.fault_request_ns
    row[3] = w.fault_sent_ns
    row[4] = placed
    w.vcpu_free_ns = placed + w.host.vcpu_wake_ns
    w.faulted = False
    return True


cdef void fault(World w, int64_t at, int64_t page) noexcept nogil:
    """Block the vCPU on a missing page and ask the source for it."""
    w.faulted = True
    w.fault_page = page
    w.fault_at_ns = at
    w.fault_request_ns = arrival(w, CHANNEL_BACK, at + w.host.fault_ns, REQUEST_BYTES)
    w.fault_sent_ns = -1
    request(w, w.fault_request_ns, page)


cdef void request(World w, int64_t arrives, int64_t page) noexcept nogil:
    """Put a request on its way; with one vCPU at most two are ever open."""
    if w.requests < MAX_QUEUE:
        w.request_at_ns[w.requests] = arrives
        w.request_page[w.requests] = page
        w.requests += 1


cdef void ask_again(World w) noexcept nogil:
    """After recovery: repeat the request that is still open."""
    if w.faulted:
        request(w, arrival(w, CHANNEL_BACK, w.t, REQUEST_BYTES), w.fault_page)


cdef void note_page(World w, int64_t page) noexcept nogil:
    """Remember a page of the write that is being put together."""
    cdef int64_t *grown
    cdef int64_t wanted
    if w.in_flight_tail == w.in_flight_capacity:
        if w.in_flight_head > w.in_flight_capacity // 2:
            memmove(w.in_flight, w.in_flight + w.in_flight_head,
                    <size_t> (w.in_flight_tail - w.in_flight_head) * sizeof(int64_t))
            w.in_flight_tail -= w.in_flight_head
            w.in_flight_head = 0
        else:
            wanted = 2 * w.in_flight_capacity + 1024
            grown = <int64_t *> realloc(w.in_flight, <size_t> wanted * sizeof(int64_t))
            if grown == NULL:
                w.out_of_memory()
                return
            w.in_flight = grown
            w.in_flight_capacity = wanted
    w.in_flight[w.in_flight_tail] = page
    w.in_flight_tail += 1
    w.batch_pages += 1


cdef void note_write(World w, int64_t arrives) noexcept nogil:
    """The write is out and arrives at that time; -1: it failed and its pages are lost."""
    cdef Arrival *grown
    cdef int64_t wanted
    if w.batch_pages == 0:
        return
    if arrives < 0:
        w.in_flight_tail -= w.batch_pages
        w.batch_pages = 0
        return
    if w.arrivals_tail == w.arrivals_capacity:
        if w.arrivals_head > w.arrivals_capacity // 2:
            memmove(w.arrivals, w.arrivals + w.arrivals_head,
                    <size_t> (w.arrivals_tail - w.arrivals_head) * sizeof(Arrival))
            w.arrivals_tail -= w.arrivals_head
            w.arrivals_head = 0
        else:
            wanted = 2 * w.arrivals_capacity + 256
            grown = <Arrival *> realloc(w.arrivals, <size_t> wanted * sizeof(Arrival))
            if grown == NULL:
                w.out_of_memory()
                return
            w.arrivals = grown
            w.arrivals_capacity = wanted
    w.arrivals[w.arrivals_tail].at_ns = arrives
    w.arrivals[w.arrivals_tail].pages = w.batch_pages
    w.arrivals_tail += 1
    w.batch_pages = 0
    w.quiet_until_ns = min(w.quiet_until_ns, arrives)


cdef void take_requests(World w) noexcept nogil:
    """Move the requests that have reached the source by now into its queue."""
    cdef int64_t arrived, page, offset
    cdef int block
    advance(w, w.t)
    while w.requests > 0 and w.request_at_ns[0] <= w.t:
        arrived = w.request_at_ns[0]
        page = pop_request(w)
        block = block_of(w, page)
        offset = (page - w.block_start[block]) * PAGE_BYTES
        w.postcopy_requests += 1
        w.emit_at(arrived, EVENT_MIGRATE_HANDLE_RP_REQ_PAGES, block, offset, PAGE_BYTES)
        w.emit_at(arrived, EVENT_RAM_SAVE_QUEUE_PAGES, block, offset, PAGE_BYTES)
        if w.queued < MAX_QUEUE:
            w.queue[w.queued] = page
            w.queued += 1
        if w.faulted and test(w.bmap, page):
            w.fault_sent_ns = w.t


cdef int64_t pop_request(World w) noexcept nogil:
    """Take the request that reached the source first."""
    cdef int64_t page = w.request_page[0]
    w.requests -= 1
    shift(w.request_at_ns, w.request_page, w.requests)
    return page


cdef void note_urgent(World w, int64_t arrives, int64_t page) noexcept nogil:
    """A page is on its way on the second channel."""
    if w.urgent_in_flight < MAX_QUEUE:
        w.urgent_at_ns[w.urgent_in_flight] = arrives
        w.urgent_page[w.urgent_in_flight] = page
        w.urgent_in_flight += 1
    w.quiet_until_ns = min(w.quiet_until_ns, arrives)


cdef int64_t next_request(World w) noexcept nogil:
    """Take the oldest request off the queue; -1 if there is none."""
    cdef int64_t page
    cdef int index
    if w.queued == 0:
        return -1
    page = w.queue[0]
    w.queued -= 1
    for index in range(w.queued):
        w.queue[index] = w.queue[index + 1]
    return page


cdef int block_of(World w, int64_t page) noexcept nogil:
    """Return the RAM block that a page belongs to."""
    cdef int block = 0
    while page >= w.block_start[block + 1]:
        block += 1
    return block


cdef void drop_in_flight(World w, int64_t cut) noexcept nogil:
    """Lose what had not arrived when the link broke at `cut`, and the requests with it."""
    advance(w, cut)
    arrive(w, cut)
    w.arrivals_head = w.arrivals_tail = 0
    w.in_flight_head = w.in_flight_tail = w.batch_pages = 0
    w.requests = w.queued = w.urgent_in_flight = 0
