"""Whole writes of pages with data, one after the other, as long as nothing can come between.

A write takes 32 such pages. Between two writes of a pass only these could change its course: the
budget is used up, the time slice is over, a command or a cut comes, the pages end. So it is known
how many writes follow each other before any page is looked at, and the pages are taken at once.
What comes out is what `migkit._engine.stream` does write by write.
"""

from libc.stdint cimport INT64_MAX, int64_t

from migkit._engine.bitmap cimport take
from migkit._engine.channels cimport scaled
from migkit._engine.decisions cimport pass_time_over, rate_exceeded
from migkit._engine.stream cimport (
    RECORD_HEADER_BYTES, cache_ns, count_ram_bytes, go_on_in_file, put_pages,
)
from migkit._engine.timeline cimport next_moment
from migkit._engine.types cimport PAGE_BYTES
from migkit._engine.world cimport World

cdef enum:
    WRITE_BYTES = WRITE_PAGES * (RECORD_HEADER_BYTES + PAGE_BYTES)
    FEWEST_WRITES = 2
    MOST_WRITES = 1 << 13       # Ctrl-C is looked for between bursts


# What is the same for every write of a burst, and how far the burst has come.
cdef struct Burst:
    int64_t page_ns
    int64_t service_ns
    int64_t room_ns             # what the send buffer holds, as time of the destination
    int64_t horizon_ns          # a command or a cut comes then
    int64_t writes
    int64_t t
    int64_t drain_end


cdef int64_t save_burst(
    World w, int64_t page, int64_t end, int64_t page_ns, int64_t place_ns, int64_t to_check,
    int64_t pass_began,
) noexcept nogil:
    cdef Burst burst
    cdef int64_t most = max(w.burst_writes, FEWEST_WRITES), pages, after
    cdef int kind
    if w.pending_bytes > 0 or w.batch_service_ns > 0 or w.error or w.cut_ns >= 0:
        return 0
    begin(w, &burst, page_ns, place_ns)
    look_ahead(w, &burst, min(most, (end - page) // WRITE_PAGES), to_check, pass_began)
    if burst.writes == 0:
        return 0
    pages = take(w.bmap, w.zero_class(), page, end, burst.writes * WRITE_PAGES, &after, &kind)
    if pages < burst.writes * WRITE_PAGES:
        w.burst_writes = pages // WRITE_PAGES
        begin(w, &burst, page_ns, place_ns)
        look_ahead(w, &burst, w.burst_writes, to_check, pass_began)
    elif burst.writes == most:
        w.burst_writes = min(2 * most, MOST_WRITES)
    w.t = burst.t
    w.drain_end = burst.drain_end
    w.transferred += burst.writes * WRITE_BYTES
    go_on_in_file(w, burst.writes * WRITE_BYTES)
    w.last_seen_block = w.last_sent_block
    w.last_page = after
    w.dirty_pages -= pages
    w.normal_pages += pages
    count_ram_bytes(w, pages * (RECORD_HEADER_BYTES + PAGE_BYTES))
    put_rest(w, pages - burst.writes * WRITE_PAGES, page_ns, place_ns)
    return pages


cdef void begin(World w, Burst *burst, int64_t page_ns, int64_t place_ns) noexcept nogil:
    """Begin a burst: a write's costs, and where things stand."""
    cdef int64_t horizon = next_moment(w)
    burst.page_ns = page_ns
    burst.service_ns = WRITE_PAGES * place_ns
    if w.link_bandwidth > 0:
        burst.service_ns = max(burst.service_ns,
                               <int64_t> WRITE_BYTES * 1_000_000_000 // w.link_bandwidth)
    burst.room_ns = scaled(burst.service_ns, w.send_buffer_bytes, WRITE_BYTES)
    if w.target.is_file:
        burst.room_ns = cache_ns(w)
    burst.horizon_ns = INT64_MAX if horizon < 0 else horizon
    burst.writes = 0
    burst.t = w.t
    burst.drain_end = w.drain_end


cdef void put_rest(World w, int64_t pages, int64_t page_ns, int64_t place_ns) noexcept nogil:
    """Put what is less than a write into the buffer."""
    if pages > 0:
        w.t += pages * page_ns
        w.batch_service_ns += pages * place_ns
        put_pages(w, pages, RECORD_HEADER_BYTES)


cdef void look_ahead(
    World w, Burst *burst, int64_t most, int64_t to_check, int64_t pass_began
) noexcept nogil:
    """Find out how many writes follow each other, at most `most`, and when the last one is out."""
    cdef int64_t ready, accepted, drain_end, at
    cdef int64_t write_ns = WRITE_PAGES * burst.page_ns + w.host.write_ns
    cdef int64_t transferred = w.transferred
    write_ns += WRITE_BYTES * w.target.byte_ps // 1000
    while burst.writes < most:
        ready = burst.t + write_ns
        drain_end = max(ready, burst.drain_end) + burst.service_ns
        accepted = max(ready, drain_end - burst.room_ns)
        if accepted >= burst.horizon_ns:
            break
        if pass_began >= 0 and to_check <= WRITE_PAGES:
            at = burst.t + to_check * burst.page_ns if to_check < WRITE_PAGES else accepted
            if pass_time_over(at - pass_began):
                break
            to_check += CLOCK_STEPS
        to_check -= WRITE_PAGES
        burst.t = accepted
        burst.drain_end = drain_end
        burst.writes += 1
        transferred += WRITE_BYTES
        if rate_exceeded(transferred, w.rate_limit_start, w.rate_limit_max):
            break
