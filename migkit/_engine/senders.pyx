"""The migration thread and multifd's sender threads: counting, handing over, waiting, syncing."""

from libc.stdint cimport int64_t

from migkit._engine.network cimport round_trip_ns
from migkit._engine.packets cimport (
    Sender, Senders, HELLO_BYTES, header_bytes, lateness, note_next, start,
)
from migkit._engine.target cimport note_in_file
from migkit._engine.timeline cimport apply, cut_before
from migkit._engine.types cimport EVENT_MULTIFD_SEND_SYNC_MAIN
from migkit._engine.world cimport DETECT_MULTIFD, World


cdef void open_channels(World w) noexcept nogil:
    """Create the channels; each greets with 64 bytes (multifd_send_setup)."""
    if w.multifd == NULL:
        return
    w.t += (w.multifd.costs.open_ns + w.multifd.count * w.multifd.costs.open_channel_ns
            + round_trip_ns(w))
    if w.multifd.packets:
        count_bytes(w, w.multifd.count * HELLO_BYTES)


cdef void count_bytes(World w, int64_t count) noexcept nogil:
    """Count bytes of a channel; the limiter and the windows see them with the rest."""
    w.multifd.bytes += count
    w.transferred += count


cdef void count_pages(World w, Sender *ch) noexcept nogil:
    """Count the pages of a packet that has been prepared; with zero copy its header is out."""
    w.normal_pages += ch.normal
    w.zero_pages += ch.zero
    count_bytes(w, ch.header_bytes)


cdef void count_senders(World w) noexcept nogil:
    """Count what has been prepared and written by now; a cut link ends what is not."""
    cdef int64_t cut = cut_before(w, w.t)
    cdef int64_t limit = w.t if cut < 0 else cut
    cdef int index
    cdef Sender *ch
    for index in range(w.multifd.count):
        ch = &w.multifd.channels[index]
        if not ch.busy:
            continue
        if not ch.counted and ch.prepared_ns <= limit:
            ch.counted = True
            count_pages(w, ch)
        if ch.written_ns <= limit:
            ch.busy = False
            count_bytes(w, ch.data_bytes)
        elif cut >= 0:
            ch.busy = False
            w.cut_ns = cut
            w.error = True
    note_next(w.multifd)


cdef bint hand_over(World w) noexcept nogil:
    """Give the batch to the next idle channel; False when the stream broke (multifd_send)."""
    cdef Senders *m = w.multifd
    cdef bint detects
    cdef int index
    if not wait_for_channel(w):
        return False
    detects = w.parameters.zero_page_detection == DETECT_MULTIFD
    index = m.next_channel
    while m.channels[index].busy:
        index = (index + 1) % m.count
    m.next_channel = (index + 1) % m.count
    settle_zero_pages(w, detects)
    start(m, index, w.t, detects, not w.swept, w.link_bandwidth, w.drain_end)
    return True


cdef void settle_zero_pages(World w, bint detects) noexcept nogil:
    """Note for a file whether zero pages of the batch are written or left out."""
    cdef int index
    if w.target.mapped_ram:
        for index in range(<int> w.multifd.zero):
            note_in_file(&w.target, w.multifd.zero_pages[index], not detects)


cdef bint wait_for_channel(World w) noexcept nogil:
    """Wait until a channel is idle: this is where the migration thread feels the network."""
    cdef int64_t first
    cdef int index
    settle(w)
    if not w.error:
        first = w.multifd.channels[0].written_ns
        for index in range(w.multifd.count):
            if not w.multifd.channels[index].busy:
                break
            first = min(first, w.multifd.channels[index].written_ns)
        else:
            wait_until(w, first)
    apply(w)
    settle(w)
    return not w.error


cdef void wait_until(World w, int64_t at) noexcept nogil:
    """Sleep until a sender posts, or the link is cut; then run as soon as a processor is free."""
    cdef int64_t cut = cut_before(w, at)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.cut_ns = cut
        w.error = True
        return
    w.t = max(w.t, at) + lateness(w.multifd, at)


cdef void sync(World w) noexcept nogil:
    """Let every channel write a SYNC packet and wait for them all (multifd_send_sync_main)."""
    cdef Senders *m = w.multifd
    cdef Sender *ch
    cdef int64_t asked, end = 0
    cdef int index
    if m.normal + m.zero > 0 and not hand_over(w):
        return
    asked = w.t
    for index in range(m.count):
        ch = &m.channels[index]
        end = max(end, sync_channel(
            w, index, max(asked, ch.written_ns) if ch.busy else asked))
    wait_until(w, end)
    for index in range(m.count):
        if m.channels[index].sync_ns <= (w.cut_ns if w.error else w.t):
            count_bytes(w, header_bytes(m))
    note_next(m)
    if not w.error:
        w.emit(EVENT_MULTIFD_SEND_SYNC_MAIN, m.packet_num)


cdef int64_t sync_channel(World w, int index, int64_t begun) noexcept nogil:
    """Write a SYNC packet behind what the channel still writes; return when the channel is done.

    With zero copy the socket is flushed: the kernel still reads the pages until then
    (multifd_zero_copy_flush).
    """
    cdef Sender *ch = &w.multifd.channels[index]
    if ch.busy:
        take_in(w, ch)
    if not w.multifd.packets:
        ch.sync_ns = begun
        return begun
    start(w.multifd, index, begun, False, False, w.link_bandwidth, w.drain_end)
    ch.busy = False
    ch.sync_ns = ch.written_ns
    if ch.zero_copied:
        ch.zero_copied = False
        w.multifd.missed_zero_copy += w.multifd.costs.zero_copy_copied
        ch.sync_ns = max(ch.written_ns, ch.drain_end)
    return ch.sync_ns


cdef void take_in(World w, Sender *ch) noexcept nogil:
    """Count the job that a SYNC packet follows; the migration thread sleeps until it is done."""
    cdef int64_t cut = cut_before(w, ch.written_ns)
    if not ch.counted and not 0 <= cut < ch.prepared_ns:
        count_pages(w, ch)
    if cut < 0:
        count_bytes(w, ch.data_bytes)
    ch.busy = False
