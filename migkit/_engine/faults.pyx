"""Faults of the destination's vCPUs: the write that meets a missing page, and the request for it.

One thread sees the faults, in order (migration/postcopy-ram.c postcopy_ram_fault_thread); the
source takes the requests in the same order (migration/ram.c ram_save_queue_pages).
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine cimport blocktime
from migkit._engine.bitmap cimport test
from migkit._engine.incoming cimport Incoming, Vcpu
from migkit._engine.queues cimport Queue, length, push
from migkit._engine.types cimport (
    EVENT_MIGRATE_HANDLE_RP_REQ_PAGES, EVENT_RAM_SAVE_QUEUE_PAGES, PAGE_BYTES,
)
from migkit._engine.world cimport World


cdef void find_next_write(World w) noexcept nogil:
    """Find which vCPU writes next, and when: the first of those that do not wait."""
    cdef Incoming *d = &w.incoming
    cdef int64_t at
    cdef int index
    d.next_vcpu = 0
    d.next_write_ns = INT64_MAX
    for index in range(d.vcpus):
        if not d.vcpu[index].waits:
            at = write_ns(w, index)
            if at < d.next_write_ns:
                d.next_vcpu, d.next_write_ns = index, at


cdef int64_t write_ns(World w, int index) noexcept nogil:
    """Return when a vCPU makes its next write; INT64_MAX if it never does."""
    cdef Vcpu *vcpu = &w.incoming.vcpu[index]
    if not w.vm_was_running:
        return INT64_MAX
    if touches_first(w, index):
        return vcpu.free_ns
    if not have_write(w, vcpu):
        return INT64_MAX
    return max(
        w.destination_runs_ns + vcpu.writes.first[vcpu.writes.head] - w.guest_progress_ns,
        vcpu.free_ns + w.host.guest_write_ns,
    )


cdef bint touches_first(World w, int index) noexcept nogil:
    """Whether the vCPU has pages to touch before the workload: those that are always dirty."""
    return index == 0 and w.incoming.first_touch < w.always_dirty_count


cdef bint have_write(World w, Vcpu *vcpu) noexcept nogil:
    """Deal out the workload's writes until this vCPU has one; False if there is none left."""
    cdef Incoming *d = &w.incoming
    cdef int64_t program_ns, page
    while length(&vcpu.writes) == 0:
        if not w.writer.peek(&program_ns, &page):
            return False
        w.writer.pop()
        push(&d.vcpu[d.taken % d.vcpus].writes, program_ns, page)
        d.taken += 1
    return True


cdef void write(World w) noexcept nogil:
    """Make the next write, or run into a fault with it."""
    cdef Incoming *d = &w.incoming
    cdef Vcpu *vcpu = &d.vcpu[d.next_vcpu]
    cdef int64_t page, at = d.next_write_ns
    cdef bint first = touches_first(w, d.next_vcpu)
    page = w.always_dirty[d.first_touch] if first else vcpu.writes.second[vcpu.writes.head]
    if test(w.missing, page):
        vcpu.waits = True
        vcpu.asked = False
        vcpu.page = page
        vcpu.fault_ns = at + w.host.fault_ns
        d.waiting += 1
        push(&d.handling, vcpu.fault_ns, d.next_vcpu)
    else:
        vcpu.free_ns = at
        if first:
            d.first_touch += 1
        else:
            vcpu.writes.head += 1
    d.next_vcpu = -1


cdef void see(World w, int64_t at) noexcept nogil:
    """The fault thread sees a fault: if the page has not come meanwhile, it asks for it."""
    cdef Incoming *d = &w.incoming
    cdef int64_t fault_ns = d.handling.first[d.handling.head]
    cdef int index = <int> d.handling.second[d.handling.head]
    cdef Vcpu *vcpu = &d.vcpu[index]
    cdef int64_t *row
    d.handling.head += 1
    if not vcpu.waits or vcpu.asked or vcpu.fault_ns != fault_ns:
        return
    vcpu.asked = True
    vcpu.row = w.faults.rows
    row = w.faults.new_row()
    row[PAGE] = vcpu.page
    row[FAULT_NS] = at
    row[REQUEST_NS] = row[SENT_NS] = row[PLACED_NS] = -1
    row[VCPU] = index
    blocktime.begin(&d.blocktime, index, vcpu.page, at + w.host.clock_phase_ns)
    if d.broken:
        d.stuck_row = vcpu.row      # it stays with this fault until the link is back
        return
    push(&d.messages, at, vcpu.row)


cdef void repeat_requests(World w) noexcept nogil:
    """Ask again for every page that somebody waits for, by address (the tree of requests)."""
    cdef Incoming *d = &w.incoming
    cdef int64_t last = -1, page, row
    cdef int index
    while True:
        page = INT64_MAX
        row = -1
        for index in range(d.vcpus):
            if d.vcpu[index].waits and d.vcpu[index].asked and last < d.vcpu[index].page < page:
                page, row = d.vcpu[index].page, d.vcpu[index].row
        if row < 0:
            break
        push(&d.messages, w.t, row)
        last = page


cdef int block_of(World w, int64_t page) noexcept nogil:
    """Return the RAM block that a page belongs to."""
    cdef int block = 0
    while page >= w.block_start[block + 1]:
        block += 1
    return block


cdef void take_requests(World w) noexcept nogil:
    """Move the requests that have reached the source by now into its queue."""
    cdef Incoming *d = &w.incoming
    cdef Queue *requests = &d.requests
    cdef int64_t arrived, row
    while length(requests) > 0 and requests.first[requests.head] <= w.t:
        arrived = requests.first[requests.head]
        row = requests.second[requests.head]
        requests.head += 1
        announce(w, row, arrived)
        push(&d.asked, row, 0)


cdef void announce(World w, int64_t row, int64_t at) noexcept nogil:
    """The source hears a request."""
    cdef int64_t page = cell(w, row, PAGE)[0]
    cdef int block = block_of(w, page)
    cdef int64_t offset = (page - w.block_start[block]) * PAGE_BYTES
    w.postcopy_requests += 1
    w.emit_at(at, EVENT_MIGRATE_HANDLE_RP_REQ_PAGES, block, offset, PAGE_BYTES)
    w.emit_at(at, EVENT_RAM_SAVE_QUEUE_PAGES, block, offset, PAGE_BYTES)


cdef int64_t next_request(World w) noexcept nogil:
    """Take the oldest request off the source's queue; -1 if there is none."""
    cdef Queue *asked = &w.incoming.asked
    if length(asked) == 0:
        return -1
    asked.head += 1
    return asked.first[asked.head - 1]
