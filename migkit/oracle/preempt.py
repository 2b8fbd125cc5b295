"""Postcopy's second channel: requested pages go out at once (migration/ram.c, postcopy-ram.c).

The thread that reads the return path answers a request itself (ram_save_host_page_urgent): no
queue of the main channel, no batch, no limiter lies between. Its pages count in the same totals.
"""

from __future__ import annotations

from migkit.oracle import destination, faults, release, timeline
from migkit.oracle.codes import Event
from migkit.oracle.incoming import PAGE, SENT_NS
from migkit.oracle.network import Channel, arrival, round_trip_ns
from migkit.oracle.stream import count_ram_bytes
from migkit.oracle.sync import clear_before_send
from migkit.oracle.world import PAGE_BYTES, World

RECORD_HEADER_BYTES = 8


def open_channel(w: World) -> bool:
    """Connect the second channel, after a PONG on the first; False when the link broke."""
    w.t = max(w.t, w.first_pong_ns)
    began = w.t
    w.t += w.plan.host.preempt_channel_ns + round_trip_ns(w)
    cut = timeline.cut_before(w, w.t)
    if cut >= 0:
        w.t, w.cut_ns, w.error = max(began, cut), cut, True
        return False
    w.urgent_last_block = -1
    w.urgent_free_ns = w.urgent_drain_end = w.t
    w.hint_page = -1
    w.emit(Event.POSTCOPY_PREEMPT_NEW_CHANNEL)
    return True


def serve(w: World) -> None:
    """Let the return path's thread answer every request that has come by now."""
    if not w.plan.postcopy_preempt or not w.in_postcopy:
        return
    cut = timeline.cut_before(w, w.t)
    until = w.t if cut < 0 else cut
    destination.advance(w, until)
    requests = w.incoming.requests
    while requests and requests[0][0] <= until:
        arrived, row = requests.popleft()
        answer(w, arrived, row)
        destination.advance(w, until)


def answer(w: World, arrived: int, row: list[int]) -> None:
    """Send a requested page unless the background stream has taken it already."""
    page = row[PAGE]
    block = faults.block_of(w, page)
    index = page - w.block_start[block]
    faults.announce(w, row, arrived)
    w.emit(Event.POSTCOPY_PREEMPT_SEND_HOST_PAGE, block, index, at=arrived)
    if not w.bmap[page]:
        return
    row[SENT_NS] = send(w, arrived, block, page)
    if w.plan.postcopy_page_hint and w.hint_page < 0:
        w.hint_block, w.hint_page = block, page + 1


def send(w: World, arrived: int, block: int, page: int) -> int:
    """Write one record on the second channel, flushed by itself; return when it is out."""
    host = w.plan.host
    clear_before_send(w, block, page)
    w.bmap[page] = 0
    w.dirty_pages -= 1
    count = RECORD_HEADER_BYTES
    if block != w.urgent_last_block:
        count += 1 + w.plan.block_id_bytes[block]
        w.urgent_last_block = block
    if w.finds_zero(page):
        w.zero_pages += 1
        count += 1
        cost_ns, service_ns = host.zero_page_ns, host.postcopy.place_zero_page_ns
    else:
        w.normal_pages += 1
        count += PAGE_BYTES
        cost_ns, service_ns = host.normal_page_ns, host.place_page_ns
    sent = max(arrived, w.urgent_free_ns) + cost_ns + host.write_ns
    w.urgent_free_ns = sent + release.by_other_thread(w)
    count_ram_bytes(w, count)
    w.transferred += count
    carry(w, sent, count, service_ns, page)
    return sent


def carry(w: World, sent: int, count: int, service_ns: int, page: int) -> None:
    """Bring it over: past the main channel's backlog, which waits for the link meanwhile."""
    waits_ns = w.plan.host.postcopy.urgent_place_ns if w.drain_end > sent else 0
    if w.link_bandwidth > 0:
        wire_ns = count * 1_000_000_000 // w.link_bandwidth
        service_ns = max(service_ns, wire_ns)
        if w.drain_end > sent:
            w.drain_end += wire_ns
    w.urgent_drain_end = max(sent, w.urgent_drain_end) + service_ns
    placed = arrival(w, Channel.URGENT, w.urgent_drain_end, count) + waits_ns
    w.incoming.urgent_placed_ns = max(w.incoming.urgent_placed_ns, placed)
    w.incoming.urgent.append((w.incoming.urgent_placed_ns, page))


def take_hint(w: World) -> tuple[int, int]:
    """Return where the background sweep goes on: behind the urgent page, if one is hinted at."""
    if w.hint_page < 0:
        return w.last_seen_block, w.last_page
    page, w.hint_page = w.hint_page, -1
    return w.hint_block, page
