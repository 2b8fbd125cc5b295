"""QEMU's buffered stream; bytes count when they are written, not when they are put.

`put` and `put_page` are literal (migration/qemu-file.c); `put_pages` and `put_records` do a run of
equal records at once, up to the next write, with the same outcome.
"""

from libc.stdint cimport int64_t

from migkit._engine.channels cimport CHANNEL_BACK, CHANNEL_MAIN, scaled
from migkit._engine.decisions cimport rate_exceeded
from migkit._engine.destination cimport acknowledge, note_write
from migkit._engine.network cimport arrival
from migkit._engine.rates cimport scale
from migkit._engine.release cimport written
from migkit._engine.senders cimport settle
from migkit._engine.timeline cimport apply, cut_before
from migkit._engine.types cimport PAGE_BYTES
from migkit._engine.world cimport World


cdef void put(World w, int64_t count) noexcept nogil:
    """Put bytes through the buffer, byte by byte as far as flushing is concerned."""
    cdef int64_t taken
    while count > 0:
        if not w.tail_is_buffer:
            w.vector_entries += 1
            w.tail_is_buffer = True
            if w.vector_entries >= VECTOR_ENTRIES:      # this one byte fills the vector
                w.pending_bytes += 1
                count -= 1
                flush(w)
                continue
        taken = min(count, BUFFER_BYTES - w.buffer_used)
        w.buffer_used += taken
        w.pending_bytes += taken
        count -= taken
        if w.buffer_used == BUFFER_BYTES:
            flush(w)


cdef void put_page(World w) noexcept nogil:
    """Put a page by reference: a vector entry of its own, no room in the buffer."""
    w.vector_entries += 1
    w.tail_is_buffer = False
    w.pending_bytes += PAGE_BYTES
    if w.vector_entries >= VECTOR_ENTRIES:
        flush(w)


cdef int64_t pages_to_flush(World w) noexcept nogil:
    """Return how many page records fit up to and with the next write; 0 = go one by one.

    Each takes two entries, the open buffer entry merging with the first header. An odd count
    means that a header byte will fill the vector, a full buffer that a header will be split.
    """
    cdef int64_t closed = w.vector_entries - (1 if w.tail_is_buffer else 0)
    if closed & 1 or w.buffer_used + 8 * VECTOR_ENTRIES >= BUFFER_BYTES:
        return 0
    return (VECTOR_ENTRIES - closed) >> 1


cdef void put_pages(World w, int64_t pages, int64_t header_bytes) noexcept nogil:
    """Put records of header and page; at most `pages_to_flush` of them."""
    cdef int64_t closed = w.vector_entries - (1 if w.tail_is_buffer else 0)
    w.vector_entries = closed + 2 * pages
    w.tail_is_buffer = False
    w.buffer_used += pages * header_bytes
    w.pending_bytes += pages * (header_bytes + PAGE_BYTES)
    if w.vector_entries >= VECTOR_ENTRIES:
        flush(w)


cdef int64_t records_to_flush(World w, int64_t record_bytes) noexcept nogil:
    """Return how many small records fit before the next write; 0 = go one by one."""
    if not w.tail_is_buffer and w.vector_entries + 1 >= VECTOR_ENTRIES:
        return 0
    return (BUFFER_BYTES - 1 - w.buffer_used) // record_bytes


cdef void put_records(World w, int64_t records, int64_t record_bytes) noexcept nogil:
    """Put small records into the buffer; at most `records_to_flush` of them."""
    if not w.tail_is_buffer:
        w.vector_entries += 1
        w.tail_is_buffer = True
    w.buffer_used += records * record_bytes
    w.pending_bytes += records * record_bytes


cdef void flush(World w) noexcept nogil:
    """Write what is pending; blocks while the socket buffer is full (qemu_fflush)."""
    cdef int64_t count = w.pending_bytes, service_ns = w.batch_service_ns
    w.buffer_used = w.vector_entries = w.pending_bytes = w.batch_service_ns = 0
    w.tail_is_buffer = False
    if count == 0 or w.error:
        note_write(w, -1, 0)
        return
    write(w, count, service_ns)
    written(w)
    if not w.error:
        go_on_in_file(w, count)


cdef void go_on_in_file(World w, int64_t count) noexcept nogil:
    """The stream has gone on in the file, if it goes into one."""
    if w.target.is_file:
        w.target.position += count
        w.target.file_bytes = max(w.target.file_bytes, w.target.position)


cdef void write_at(World w, int64_t count, int64_t offset) noexcept nogil:
    """Write bytes at a place of the file, behind what is pending (qemu_put_buffer_at)."""
    flush(w)
    if w.error:
        return
    w.t += w.target.scattered_write_ns
    write(w, count, 0)
    if not w.error:
        w.target.file_bytes = max(w.target.file_bytes, offset + count)


cdef void write(World w, int64_t count, int64_t service_ns) noexcept nogil:
    """Hand bytes to the socket: the thread goes on once the buffer has taken them."""
    cdef int64_t drain_end, accepted, cut
    w.t += w.host.write_ns + count * w.target.byte_ps // 1000
    apply(w)
    if w.link_bandwidth > 0:
        service_ns = max(service_ns, count * 1_000_000_000 // w.link_bandwidth)
    drain_end = max(w.t, w.drain_end) + service_ns
    accepted = accepted_ns(w, drain_end, service_ns, count)
    cut = cut_before(w, accepted)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.cut_ns = cut
        w.error = True
    if w.error:
        note_write(w, -1, 0)
        return
    w.t = accepted
    w.drain_end = drain_end
    w.transferred += count
    if w.incoming.batch > 0:
        note_write(w, arrival(w, CHANNEL_MAIN, drain_end, count), service_ns)
    if w.acks.tags > 0:
        approve_switchover(w, drain_end, count)
    acknowledge(w)


cdef void approve_switchover(World w, int64_t sent, int64_t count) noexcept nogil:
    """Let the destination hear that devices' initial data have come; the last makes it ack.

    migration/savevm.c (loadvm_approve_switchover), return path message SWITCHOVER_ACK.
    """
    w.acks.needed -= w.acks.tags
    w.acks.tags = 0
    if w.acks.needed == 0:
        sent = arrival(w, CHANNEL_MAIN, sent, count)
        w.acks.acked_ns = arrival(w, CHANNEL_BACK, sent, ACK_BYTES)


cdef int64_t accepted_ns(
    World w, int64_t drain_end, int64_t service_ns, int64_t count
) noexcept nogil:
    """Return when the sockets have taken the last byte.

    In postcopy the stream never rests: the kernel lets the sockets grow, and a writer that had to
    wait goes on when a good part of the send buffer is free (sk_stream_write_space), not a page.
    """
    cdef int64_t room = w.send_buffer_bytes, accepted
    if w.target.is_file:
        return max(w.t, drain_end - cache_ns(w))
    if not w.in_postcopy():
        return max(w.t, drain_end - scaled(service_ns, room, count))
    room = max(room, w.incoming.costs.socket_bytes)
    accepted = drain_end - scaled(service_ns, room, count)
    if accepted > w.t:
        accepted += scaled(service_ns, min(room, w.incoming.costs.socket_wake_bytes), count)
    return max(w.t, accepted)


cdef int64_t cache_ns(World w) noexcept nogil:
    """Return how far the disk may lag behind before a write waits: a full cache's time."""
    if w.link_bandwidth == 0:
        return 0
    return scale(w.target.cache_bytes, 1_000_000_000, 0, w.link_bandwidth)


cdef void count_ram_bytes(World w, int64_t count) noexcept nogil:
    """Add to the RAM counter of the phase (migration/ram.c ram_transferred_add)."""
    if w.vm_running:
        w.precopy_bytes += count
    elif w.in_postcopy():
        w.postcopy_bytes += count
    else:
        w.downtime_bytes += count


cdef bint over_budget(World w) noexcept nogil:
    """Whether this window's budget is used up (migration_rate_exceeded)."""
    settle(w)
    return w.error or rate_exceeded(w.transferred, w.rate_limit_start, w.rate_limit_max)
