"""Blocktime: how long vCPUs waited for pages (migration/postcopy-ram.c).

Since 10.1 in nanoseconds, with every open fault in a list (postcopy_blocktime_context); before, in
milliseconds, with the last fault of each vCPU only (mark_postcopy_blocktime_begin and _end).
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from migkit._engine.queues cimport Queue, clear, push, release


cpdef int64_t latency_bucket(int64_t latency_ns) noexcept nogil:
    """Return the bucket of a latency: powers of two of a microsecond, 24 in all."""
    cdef int64_t left = latency_ns // 2000, bucket = 0
    while left > 0 and bucket < LATENCY_BUCKETS - 1:
        left >>= 1
        bucket += 1
    return bucket


cdef void prepare(Blocktime *b, int vcpus, bint in_ns) except *:
    """Make an account in which nobody has waited yet."""
    cdef int index
    b.vcpu = <BlockedVcpu *> calloc(<size_t> vcpus, sizeof(BlockedVcpu))
    if b.vcpu == NULL:
        raise MemoryError
    b.vcpus = vcpus
    b.in_ns = in_ns
    for index in range(vcpus):
        b.vcpu[index].page = -1


cdef void discard(Blocktime *b) noexcept nogil:
    """Free an account."""
    free(b.vcpu)
    release(&b.open_page)
    release(&b.open_since)


cdef void begin(Blocktime *b, int vcpu, int64_t page, int64_t now_ns) noexcept nogil:
    """A vCPU asks for a page."""
    cdef BlockedVcpu *blocked = &b.vcpu[vcpu]
    if not b.in_ns:
        if blocked.page < 0:
            b.down += 1
        b.last_begin = blocked.asked_ms = low_time_ms(b, now_ns)
        blocked.page = page
        return
    blocked.faults += 1
    blocked.open += 1
    if blocked.open == 1:
        b.down += 1
        b.last_begin = now_ns
    push(&b.open_page, page, vcpu)
    push(&b.open_since, now_ns, 0)


cdef int64_t low_time_ms(Blocktime *b, int64_t now_ns) noexcept nogil:
    """Return the milliseconds since the account was made, 1 at least (get_low_time_offset)."""
    return max(now_ns // 1_000_000 - b.start_ns // 1_000_000, 1)


cdef void end(Blocktime *b, int64_t page, int64_t now_ns) noexcept nogil:
    """A page is in place: whoever asked for it goes on."""
    cdef int64_t affected
    cdef int64_t last_begin = b.last_begin
    if b.in_ns:
        affected = end_all(b, page, now_ns)
        if b.down == b.vcpus and affected > 0:
            b.total += now_ns - last_begin
    else:
        affected = end_last(b, page, low_time_ms(b, now_ns))
        if b.down == b.vcpus and affected > 0:
            b.total += low_time_ms(b, now_ns) - last_begin
    b.down -= affected


cdef int64_t end_all(Blocktime *b, int64_t page, int64_t now_ns) noexcept nogil:
    """End every fault on a page; return how many vCPUs wait for nothing any more.

    A vCPU's time is counted when its last open fault ends: the others are lost.
    """
    cdef Queue still_page = b.open_page, still_since = b.open_since
    cdef int64_t index, kept = 0, latency, affected = 0
    cdef BlockedVcpu *blocked
    for index in range(b.open_page.head, b.open_page.tail):
        if b.open_page.first[index] != page:
            still_page.first[kept] = b.open_page.first[index]
            still_page.second[kept] = b.open_page.second[index]
            still_since.first[kept] = b.open_since.first[index]
            kept += 1
            continue
        latency = now_ns - b.open_since.first[index]
        b.bucket[latency_bucket(latency)] += 1
        blocked = &b.vcpu[b.open_page.second[index]]
        blocked.open -= 1
        if blocked.open == 0:
            blocked.total += latency
            affected += 1
    clear(&b.open_page)
    clear(&b.open_since)
    b.open_page.tail = b.open_since.tail = kept
    return affected


cdef int64_t end_last(Blocktime *b, int64_t page, int64_t now_ms) noexcept nogil:
    """End the faults on a page that no later one has overwritten; return how many."""
    cdef int64_t affected = 0
    cdef int index
    for index in range(b.vcpus):
        if b.vcpu[index].page == page:
            b.vcpu[index].page = -1
            b.vcpu[index].total += now_ms - b.vcpu[index].asked_ms
            affected += 1
    return affected


cdef dict account(const Blocktime *b):
    """Return the sums as plain values."""
    return {
        "in_ns": bool(b.in_ns),
        "total": b.total,
        "vcpu_total": tuple(b.vcpu[i].total for i in range(b.vcpus)),
        "vcpu_faults": tuple(b.vcpu[i].faults for i in range(b.vcpus)),
        "latency_counts": tuple(b.bucket[i] for i in range(LATENCY_BUCKETS)),
    }


def account_faults(int vcpus, bint in_ns, int64_t start_ns, faults):
    """Account faults; each is the vCPU that begins one, or -1 for the end, page and time."""
    cdef Blocktime b
    cdef int64_t page, now_ns
    cdef int vcpu
    memset(&b, 0, sizeof(Blocktime))
    prepare(&b, vcpus, in_ns)
    try:
        b.start_ns = start_ns
        for vcpu, page, now_ns in faults:
            if vcpu >= 0:
                begin(&b, vcpu, page, now_ns)
            else:
                end(&b, page, now_ns)
        return account(&b)
    finally:
        discard(&b)
