"""multifd's channels: what each sender thread does with its packet, and how long it takes.

A channel has one job at a time: it prepares a packet (zero test, compression) and writes it in one
blocking write (migration/multifd.c, multifd_send_thread). Nothing here knows the migration; times
go in, times come out.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free

from migkit._engine.channels cimport scaled
from migkit._engine.draws cimport counter, high_half
from migkit._engine.rates cimport scale


cdef int64_t lateness(Senders *m, int64_t at) noexcept nogil:
    """Draw how late a thread woken at `at` runs: behind senders that use a processor."""
    cdef int index
    cdef int64_t left_ns = 0
    cdef uint64_t number
    for index in range(m.count):
        if m.channels[index].busy:
            left_ns += max(
                m.channels[index].runs_until_ns - max(at, m.channels[index].began_ns), 0)
    if left_ns == 0 or m.contention_count == 0:
        return m.costs.wake_ns
    number = counter(m.race_key, <uint64_t> m.wakes)
    m.wakes += 1
    number = high_half(number, <uint64_t> m.contention_count)
    return m.costs.wake_ns + left_ns * m.contention_permille[number] // 1000


cdef void start(Senders *m, int index, int64_t at, bint detects, bint first_touch,
                int64_t link_bandwidth, int64_t backlog) noexcept nogil:
    """Give a channel the batch, or a SYNC packet if there is none, at time `at`."""
    cdef Sender *ch = &m.channels[index]
    cdef int64_t begun, count, byte_ps, page_ns, service, before, drained
    cdef int64_t work = look_for_zeros(m, detects), payload = payload_bytes(m)
    cdef bint by_reference = m.zero_copy and payload > 0
    ch.began_ns = at + lateness(m, at)
    ch.busy = True
    ch.counted = False
    ch.normal = m.normal
    ch.zero = m.zero
    ch.header_bytes = header_bytes(m) if by_reference else 0
    ch.data_bytes = header_bytes(m) + payload - ch.header_bytes
    ch.zero_copied = ch.zero_copied or by_reference
    ch.prepared_ns = ch.began_ns + shared(m, m.costs.packet_ns + work)
    begun = ch.prepared_ns + shared(m, m.compress_ns)
    count = header_bytes(m) + payload
    if by_reference and not m.costs.zero_copy_copied:
        byte_ps = m.costs.zero_copy_byte_ps
    else:
        byte_ps = m.costs.write_byte_ps
    ch.runs_until_ns = begun + shared(m, m.costs.write_ns + count * byte_ps // 1000)
    page_ns = (m.costs.first_touch_page_ns if first_touch
               else m.costs.destination_page_ns)
    service = m.normal * page_ns + m.zero * m.costs.destination_zero_page_ns
    before = max(begun, ch.drain_end)
    drained = before + shared(m, service + m.decompress_ns)
    drained = max(drained, carried(m, index, begun, count, link_bandwidth, backlog))
    ch.drain_end = drained
    ch.written_ns = max(
        ch.runs_until_ns,
        drained - scaled(drained - before, m.costs.send_buffer_bytes, max(count, 1)))
    m.normal = m.zero = 0
    m.payload_millibytes = m.ending_bytes = m.compress_ns = m.decompress_ns = 0
    m.packet_num += 1
    note_next(m)


cdef void note_next(Senders *m) noexcept nogil:
    """Find the next moment at which a channel changes something."""
    cdef int index
    cdef Sender *ch
    m.next_ns = INT64_MAX
    for index in range(m.count):
        ch = &m.channels[index]
        if ch.busy:
            m.next_ns = min(m.next_ns, ch.written_ns if ch.counted else ch.prepared_ns)


cdef void add(Senders *m, int64_t pages, int64_t kind) noexcept nogil:
    """Append pages of a class to the batch."""
    cdef Payload *page = &m.payloads[kind]
    m.normal += pages
    m.payload_millibytes += pages * page.page_millibytes
    m.ending_bytes = max(m.ending_bytes, page.packet_bytes)
    m.compress_ns += pages * page.compress_page_ns
    m.decompress_ns += pages * page.decompress_page_ns


cdef int64_t header_bytes(Senders *m) noexcept nogil:
    """Return the size of a packet's header; a file has none."""
    return PACKET_HEADER_BYTES if m.packets else 0


cdef int64_t payload_bytes(Senders *m) noexcept nogil:
    """Return what follows the header: nothing for zero pages alone."""
    if m.normal == 0:
        return 0
    return m.payload_millibytes // 1000 + m.ending_bytes


cdef int64_t look_for_zeros(Senders *m, bint detects) noexcept nogil:
    """Return what that costs the sender of the batch; without, they are pages like others."""
    if not detects:
        if m.zero > 0:
            add(m, m.zero, 0)
            m.zero = 0
        return 0
    return m.normal * m.costs.test_page_ns + m.zero * m.costs.test_zero_page_ns


cdef int64_t shared(Senders *m, int64_t ns) noexcept nogil:
    """Stretch work when more channels run than the machine's cores carry side by side."""
    cdef int64_t carried = m.costs.side_by_side_percent, asked = 100 * m.count
    return ns * asked // carried if 0 < carried < asked else ns


cdef int64_t carried(Senders *m, int index, int64_t begun, int64_t count, int64_t link_bandwidth,
                     int64_t backlog) noexcept nogil:
    """Return when the links have carried it: the channel's own, and the one all share."""
    cdef int64_t done = 0, rate
    cdef int link
    if m.link_count > 0:
        link = index % m.link_count
        done = max(begun, m.link_free_ns[link]) + count * 1_000_000_000 // m.links[link]
        m.link_free_ns[link] = done
    if link_bandwidth > 0:
        rate = max(scale(link_bandwidth, m.together_permille, 0, 1000), 1)
        m.shared_free_ns = (max(begun, m.shared_free_ns, backlog)
                            + count * 1_000_000_000 // rate)
        done = max(done, m.shared_free_ns)
    return done


cdef Senders *make_senders(plan) except NULL:
    """Return the channels of a plan (migkit.plan.multifd.MultifdPlan) with multifd."""
    cdef Senders *m = <Senders *> calloc(1, sizeof(Senders))
    if m == NULL:
        raise MemoryError
    m.block = -1
    m.next_ns = INT64_MAX
    spec, costs = plan.multifd, plan.multifd.costs
    m.costs = Costs(
        costs.open_ns, costs.open_channel_ns, costs.wake_ns, costs.queue_page_ns,
        costs.test_page_ns, costs.test_zero_page_ns, costs.packet_ns, costs.write_ns,
        costs.write_byte_ps, costs.zero_copy_byte_ps, costs.zero_copy_copied,
        costs.first_touch_page_ns, costs.destination_page_ns, costs.destination_zero_page_ns,
        costs.side_by_side_percent, costs.send_buffer_bytes,
    )
    take_payloads(m, spec.payloads)
    m.flush_after_each_section = spec.flush_after_each_section
    m.packets = spec.packets
    m.together_permille = spec.together_permille
    m.zero_copy = spec.zero_copy
    m.race_key = spec.race_key
    m.count = spec.channels
    m.channels = <Sender *> calloc(m.count, sizeof(Sender))
    m.link_count = len(spec.links)
    m.links = new_list(spec.links)
    m.link_free_ns = new_list([0] * m.link_count)
    m.contention_count = len(costs.contention_permille)
    m.contention_permille = new_list(costs.contention_permille)
    if m.channels == NULL:
        raise MemoryError
    return m


cdef int take_payloads(Senders *m, payloads) except -1:
    """Copy what the pages of each class become; zero pages have class 0."""
    for kind, page in enumerate(payloads):
        m.payloads[kind] = Payload(page.page_millibytes, page.packet_bytes,
                                   page.compress_page_ns, page.decompress_page_ns)
    m.by_page = len(set(payloads[1:])) > 1
    return 0


cdef int64_t *new_list(values) except NULL:
    """Copy whole numbers."""
    cdef int64_t *out = <int64_t *> calloc(len(values) + 1, sizeof(int64_t))
    if out == NULL:
        raise MemoryError
    for index, value in enumerate(values):
        out[index] = value
    return out


cdef void free_senders(Senders *m) noexcept nogil:
    """Give back what `make_senders` took."""
    if m != NULL:
        free(m.links)
        free(m.link_free_ns)
        free(m.contention_permille)
        free(m.channels)
        free(m)
