"""The migration thread and multifd's sender threads: counting, handing over, waiting, syncing."""

from __future__ import annotations

from migkit.oracle import network, timeline
from migkit.oracle.codes import Event
from migkit.oracle.packets import HELLO_BYTES
from migkit.oracle.world import DETECT_MULTIFD, World


def open_channels(w: World) -> None:
    """Create the channels; each greets with 64 bytes (multifd_send_setup)."""
    m = w.multifd
    if m is None:
        return
    costs, number = m.plan.costs, len(m.channels)
    w.t += costs.open_ns + number * costs.open_channel_ns + network.round_trip_ns(w)
    if m.plan.packets:
        count_bytes(w, number * HELLO_BYTES)


def count_bytes(w: World, count: int) -> None:
    """Count bytes of a channel; the limiter and the windows see them with the rest."""
    w.multifd.bytes += count
    w.transferred += count


def settle(w: World) -> None:
    """Count what the senders have prepared and written by now, at the moments QEMU counts it."""
    m = w.multifd
    if m is None or w.t < m.next_ns:
        return
    cut = timeline.cut_before(w, w.t)
    limit = w.t if cut < 0 else cut
    for ch in m.channels:
        if not ch.busy:
            continue
        if not ch.counted and ch.prepared_ns <= limit:
            ch.counted = True
            w.normal_pages += ch.normal
            w.zero_pages += ch.zero
            count_bytes(w, ch.header_bytes)
        if ch.written_ns <= limit:
            ch.busy = False
            count_bytes(w, ch.data_bytes)
        elif cut >= 0:
            ch.busy = False
            w.cut_ns = cut
            w.error = True
    m.note_next()


def hand_over(w: World) -> bool:
    """Give the batch to the next idle channel; False when the stream broke (multifd_send)."""
    if not wait_for_channel(w):
        return False
    m = w.multifd
    index = m.next_channel
    while m.channels[index].busy:
        index = (index + 1) % len(m.channels)
    m.next_channel = (index + 1) % len(m.channels)
    detects = w.parameters["zero-page-detection"] == DETECT_MULTIFD
    if w.plan.target is not None and w.plan.target.mapped_ram:
        for page in m.zero_pages:
            w.note_in_file(page, not detects)
    m.start(index, w.t, detects, not w.swept, w.link_bandwidth, w.drain_end)
    return True


def wait_for_channel(w: World) -> bool:
    """Wait until a channel is idle: this is where the migration thread feels the network."""
    m = w.multifd
    settle(w)
    if not w.error and all(ch.busy for ch in m.channels):
        free = min(ch.written_ns for ch in m.channels)
        wait_until(w, free)
    timeline.apply(w)
    settle(w)
    return not w.error


def wait_until(w: World, at: int) -> None:
    """Sleep until a sender posts, or the link is cut; then run as soon as a processor is free."""
    cut = timeline.cut_before(w, at)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.cut_ns = cut
        w.error = True
        return
    w.t = max(w.t, at) + w.multifd.lateness(at)


def sync(w: World) -> None:
    """Let every channel write a SYNC packet and wait for them all (multifd_send_sync_main)."""
    m = w.multifd
    if m.batched and not hand_over(w):
        return
    asked, ends = w.t, []
    for index, ch in enumerate(m.channels):
        begun = max(asked, ch.written_ns) if ch.busy else asked
        ends.append(sync_channel(w, index, begun))
    wait_until(w, max(ends))
    limit = w.cut_ns if w.error else w.t
    count_bytes(w, m.header_bytes * sum(end <= limit for end in ends))
    m.note_next()
    if not w.error:
        w.emit(Event.MULTIFD_SEND_SYNC_MAIN, m.packet_num)


def sync_channel(w: World, index: int, begun: int) -> int:
    """Write a SYNC packet behind what the channel still writes; return when the channel is done.

    With zero copy the socket is flushed: the kernel still reads the pages until then
    (multifd_zero_copy_flush).
    """
    m = w.multifd
    ch = m.channels[index]
    if ch.busy:
        take_in(w, index)
    if not m.plan.packets:
        return begun
    m.start(index, begun, False, False, w.link_bandwidth, w.drain_end)
    ch.busy = False
    if not ch.zero_copied:
        return ch.written_ns
    ch.zero_copied = False
    m.missed_zero_copy += m.plan.costs.zero_copy_copied
    return max(ch.written_ns, ch.drain_end)


def take_in(w: World, index: int) -> None:
    """Count the job that a SYNC packet follows; the migration thread sleeps until it is done."""
    ch = w.multifd.channels[index]
    cut = timeline.cut_before(w, ch.written_ns)
    if not ch.counted and not 0 <= cut < ch.prepared_ns:
        w.normal_pages += ch.normal
        w.zero_pages += ch.zero
        count_bytes(w, ch.header_bytes)
    if cut < 0:
        count_bytes(w, ch.data_bytes)
    ch.busy = False
