"""Postcopy's second channel: requested pages go out at once (migration/ram.c, postcopy-ram.c).

The thread that reads the return path answers a request itself (ram_save_host_page_urgent): no
queue of the main channel, no batch, no limiter lies between. Its pages count in the same totals.
"""

from libc.stdint cimport int64_t

from migkit._engine.bitmap cimport clear_bit, test
from migkit._engine.channels cimport CHANNEL_URGENT
from migkit._engine.destination cimport advance, note_urgent
from migkit._engine.faults cimport PAGE, SENT_NS, announce, block_of, cell
from migkit._engine.network cimport arrival, round_trip_ns
from migkit._engine.queues cimport Queue, length
from migkit._engine.release cimport by_other_thread as release_by_other_thread
from migkit._engine.stream cimport RECORD_HEADER_BYTES, count_ram_bytes
from migkit._engine.sync cimport clear_before_send
from migkit._engine.timeline cimport cut_before
from migkit._engine.types cimport (
    EVENT_POSTCOPY_PREEMPT_NEW_CHANNEL, EVENT_POSTCOPY_PREEMPT_SEND_HOST_PAGE, PAGE_BYTES,
)
from migkit._engine.world cimport World


cdef bint open_channel(World w) noexcept nogil:
    """Connect the second channel, after a PONG on the first; False when the link broke."""
    cdef int64_t began = max(w.t, w.first_pong_ns), cut
    w.t = began + w.host.preempt_channel_ns + round_trip_ns(w)
    cut = cut_before(w, w.t)
    if cut >= 0:
        w.t = max(began, cut)
        w.cut_ns = cut
        w.error = True
        return False
    w.urgent_last_block = -1
    w.urgent_free_ns = w.urgent_drain_end = w.t
    w.hint_page = -1
    w.emit(EVENT_POSTCOPY_PREEMPT_NEW_CHANNEL)
    return True


cdef void serve(World w) noexcept nogil:
    """Let the return path's thread answer every request that has come by now."""
    cdef int64_t until, cut, arrived
    cdef Queue *requests = &w.incoming.requests
    if not w.postcopy_preempt or not w.in_postcopy():
        return
    cut = cut_before(w, w.t)
    until = w.t if cut < 0 else cut
    advance(w, until)
    while length(requests) > 0 and requests.first[requests.head] <= until:
        arrived = requests.first[requests.head]
        requests.head += 1
        answer(w, arrived, requests.second[requests.head - 1])
        advance(w, until)


cdef void answer(World w, int64_t arrived, int64_t row) noexcept nogil:
    """Send a requested page unless the background stream has taken it already."""
    cdef int64_t page = cell(w, row, PAGE)[0]
    cdef int block = block_of(w, page)
    announce(w, row, arrived)
    w.emit_at(arrived, EVENT_POSTCOPY_PREEMPT_SEND_HOST_PAGE, block, page - w.block_start[block])
    if not test(w.bmap, page):
        return
    cell(w, row, SENT_NS)[0] = send(w, arrived, block, page)
    if w.postcopy_page_hint and w.hint_page < 0:
        w.hint_block = block
        w.hint_page = page + 1


cdef int64_t send(World w, int64_t arrived, int block, int64_t page) noexcept nogil:
    """Write one record on the second channel, flushed by itself; return when it is out."""
    cdef int64_t count = RECORD_HEADER_BYTES, cost_ns, service_ns, sent
    clear_before_send(w, block, page)
    clear_bit(w.bmap, page)
    w.dirty_pages -= 1
    if block != w.urgent_last_block:
        count += 1 + w.block_name_bytes[block]
        w.urgent_last_block = block
    if w.finds_zero(page):
        w.zero_pages += 1
        count += 1
        cost_ns, service_ns = w.host.zero_page_ns, w.incoming.costs.place_zero_page_ns
    else:
        w.normal_pages += 1
        count += PAGE_BYTES
        cost_ns, service_ns = w.host.normal_page_ns, w.host.place_page_ns
    sent = max(arrived, w.urgent_free_ns) + cost_ns + w.host.write_ns
    w.urgent_free_ns = sent + release_by_other_thread(w)
    count_ram_bytes(w, count)
    w.transferred += count
    carry(w, sent, count, service_ns, page)
    return sent


cdef void carry(
    World w, int64_t sent, int64_t count, int64_t service_ns, int64_t page
) noexcept nogil:
    """Bring it over: past the main channel's backlog, which waits for the link meanwhile."""
    cdef int64_t wire_ns
    cdef int64_t waits_ns = w.incoming.costs.urgent_place_ns if w.drain_end > sent else 0
    if w.link_bandwidth > 0:
        wire_ns = count * 1_000_000_000 // w.link_bandwidth
        service_ns = max(service_ns, wire_ns)
        if w.drain_end > sent:
            w.drain_end += wire_ns
    w.urgent_drain_end = max(sent, w.urgent_drain_end) + service_ns
    note_urgent(w, arrival(w, CHANNEL_URGENT, w.urgent_drain_end, count) + waits_ns, page)
