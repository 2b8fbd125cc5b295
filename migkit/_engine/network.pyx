"""How long a message travels: latency, jitter, a lost packet's second try; TCP keeps the order."""

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.channels cimport CHANNEL_BACK, CHANNELS, scaled
from migkit._engine.draws cimport counter, high_half
from migkit._engine.world cimport TimelineItem, World

cdef enum:
    LOSS_UNIT = 1_000_000_000
    FAST_RETRANSMIT_PACKETS = 4     # the first and three that tell of its loss (RFC 5681, 3.2)


cpdef int64_t retransmission_ns(
    int64_t packets, int64_t round_trip_ns, int64_t timeout_ns
) noexcept nogil:
    """Return how much later a message comes one of whose packets was lost."""
    if packets >= FAST_RETRANSMIT_PACKETS:
        return round_trip_ns
    return round_trip_ns + timeout_ns


cpdef bint message_lost(int64_t packets, int64_t loss, uint64_t number) noexcept nogil:
    """Whether a message has lost a packet: 64 random bits, `loss` in billionths.

    Losses of several packets are added up: right as long as they are rare.
    """
    return <int64_t> high_half(number, LOSS_UNIT) < packets * loss


cdef int64_t round_trip_ns(World w) noexcept nogil:
    """Return the time to the destination and back, without jitter."""
    return w.net.latency_ns + w.net.back_ns


cdef int64_t arrival(World w, int channel, int64_t sent, int64_t count) noexcept nogil:
    """Return when a message of `count` bytes, wholly on its way at `sent`, is there."""
    cdef int64_t travel = w.net.back_ns if channel == CHANNEL_BACK else w.net.latency_ns
    cdef int64_t packets
    cdef uint64_t key = w.net.key[channel], number = <uint64_t> (2 * w.net.messages[channel])
    if w.net.jitter_ns:
        travel += <int64_t> high_half(counter(key, number), <uint64_t> (w.net.jitter_ns + 1))
    if w.net.loss:
        packets = (count + w.net.segment_bytes - 1) // w.net.segment_bytes
        if message_lost(packets, w.net.loss, counter(key, number + 1)):
            travel += retransmission_ns(packets, round_trip_ns(w), w.net.timeout_ns)
    w.net.messages[channel] += 1
    w.net.last_arrival_ns[channel] = max(sent + travel, w.net.last_arrival_ns[channel])
    return w.net.last_arrival_ns[channel]


cdef void change(World w, int64_t at, TimelineItem *item) noexcept nogil:
    """Let the link be another from `at` on; what waits in the sockets goes at its speed."""
    cdef int64_t old = w.link_bandwidth, new = item.link_bandwidth
    if old > 0 and new > 0 and w.drain_end > at:
        w.drain_end = at + scaled(w.drain_end - at, old, new)
    w.link_bandwidth = new
    w.net.latency_ns = item.latency_ns
    w.net.back_ns = item.back_ns
    w.net.jitter_ns = item.jitter_ns
    w.net.loss = item.loss


cdef void reset(World w) noexcept nogil:
    """Start with new connections: nothing is on its way on them."""
    cdef int channel
    for channel in range(CHANNELS):
        w.net.last_arrival_ns[channel] = 0
