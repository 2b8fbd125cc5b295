"""QEMU's buffered stream and what lies behind it: the socket, the link, the destination.

Bytes count when they are written, not when they are put (migration/qemu-file.c): a write happens
when the 32 KiB buffer is full, when the vector has 64 entries, and when somebody flushes.
"""

from __future__ import annotations

from migkit.oracle import decisions, destination, release, timeline
from migkit.oracle.network import Channel, arrival
from migkit.oracle.senders import settle
from migkit.oracle.world import PAGE_BYTES, World

BUFFER_BYTES = 32768
VECTOR_ENTRIES = 64
ACK_BYTES = 4


def put(w: World, count: int) -> None:
    """Put `count` bytes through the buffer, byte by byte as far as flushing is concerned."""
    while count > 0:
        if not w.tail_is_buffer:
            w.vector_entries += 1
            w.tail_is_buffer = True
            if w.vector_entries >= VECTOR_ENTRIES:  # this one byte fills the vector
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


def put_page(w: World) -> None:
    """Put a page by reference: a vector entry of its own, no room in the buffer."""
    w.vector_entries += 1
    w.tail_is_buffer = False
    w.pending_bytes += PAGE_BYTES
    if w.vector_entries >= VECTOR_ENTRIES:
        flush(w)


def flush(w: World) -> None:
    """Write what is pending; blocks while the socket buffer is full (qemu_fflush)."""
    count, service = w.pending_bytes, w.batch_service_ns
    pages, w.incoming.batch = w.incoming.batch, []
    w.buffer_used = w.vector_entries = w.pending_bytes = w.batch_service_ns = 0
    w.tail_is_buffer = False
    if count == 0 or w.error:
        return
    write(w, count, service, pages)
    release.written(w)
    if w.plan.target is not None and not w.error:
        w.file_position += count
        w.file_bytes = max(w.file_bytes, w.file_position)


def write_at(w: World, count: int, offset: int) -> None:
    """Write bytes at a place of the file, behind what is pending (qemu_put_buffer_at)."""
    flush(w)
    if w.error:
        return
    w.t += w.plan.target.scattered_write_ns
    write(w, count, 0, [])
    if not w.error:
        w.file_bytes = max(w.file_bytes, offset + count)


def write(w: World, count: int, service_ns: int, pages: list[int]) -> None:
    """Hand `count` bytes to the socket: the thread goes on once the buffer has taken them."""
    target = w.plan.target
    w.t += w.plan.host.write_ns
    if target is not None:
        w.t += count * target.byte_ps // 1000
    timeline.apply(w)
    if w.link_bandwidth > 0:
        service_ns = max(service_ns, count * 1_000_000_000 // w.link_bandwidth)
    drain_end = max(w.t, w.drain_end) + service_ns
    accepted = accepted_ns(w, drain_end, service_ns, count)
    cut = timeline.cut_before(w, accepted)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.cut_ns = cut
        w.error = True
    if w.error:
        return
    w.t = accepted
    w.drain_end = drain_end
    w.transferred += count
    if pages:
        at = arrival(w, Channel.MAIN, drain_end, count)
        destination.note_write(w, pages, at, service_ns)
    if w.ack_tags:
        approve_switchover(w, drain_end, count)
    destination.acknowledge(w)


def approve_switchover(w: World, sent: int, count: int) -> None:
    """Let the destination hear that devices' initial data have come; the last makes it ack.

    migration/savevm.c (loadvm_approve_switchover), return path message SWITCHOVER_ACK.
    """
    w.acks_needed -= w.ack_tags
    w.ack_tags = 0
    if w.acks_needed == 0:
        there = arrival(w, Channel.MAIN, sent, count)
        w.acked_ns = arrival(w, Channel.BACK, there, ACK_BYTES)


def accepted_ns(w: World, drain_end: int, service_ns: int, count: int) -> int:
    """Return when the sockets have taken the last byte.

    In postcopy the stream never rests: the kernel lets the sockets grow, and a writer that had to
    wait goes on when a good part of the send buffer is free (sk_stream_write_space), not a page.
    """
    if w.plan.target is not None:
        return max(w.t, drain_end - cache_ns(w))
    room, costs = w.plan.send_buffer_bytes, w.plan.host.postcopy
    if not w.in_postcopy:
        return max(w.t, drain_end - service_ns * room // count)
    room = max(room, costs.socket_bytes)
    accepted = drain_end - service_ns * room // count
    if accepted > w.t:
        accepted += service_ns * min(room, costs.socket_wake_bytes) // count
    return max(w.t, accepted)


def cache_ns(w: World) -> int:
    """Return how far the disk may lag behind before a write waits: a full cache's time."""
    if w.link_bandwidth == 0:
        return 0
    return int(w.plan.target.cache_bytes * 1_000_000_000 // w.link_bandwidth)


def count_ram_bytes(w: World, count: int) -> None:
    """Add to the RAM counter of the phase (migration/ram.c ram_transferred_add)."""
    if w.vm_running:
        w.precopy_bytes += count
    elif w.in_postcopy:
        w.postcopy_bytes += count
    else:
        w.downtime_bytes += count


def rate_exceeded(w: World) -> bool:
    """Whether this window's budget is used up (migration-stats.c migration_rate_exceeded)."""
    settle(w)
    return w.error or decisions.rate_exceeded(w.transferred, w.rate_limit_start, w.rate_limit_max)
