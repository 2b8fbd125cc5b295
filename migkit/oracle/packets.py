"""multifd's channels: what each sender thread does with its packet, and how long it takes.

A channel has one job at a time: it prepares a packet (zero test, compression) and writes it in one
blocking write (migration/multifd.c, multifd_send_thread). Nothing here knows the migration; times
go in, times come out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from migkit.oracle.draws import counter

PAGES_PER_PACKET = 128  # MULTIFD_PACKET_SIZE / page size
PACKET_HEADER_BYTES = 1344
HELLO_BYTES = 64
NEVER = (1 << 63) - 1


@dataclass
class Sender:
    """One sender thread with its socket."""

    busy: bool = False  # has a job; the values below are the job's
    counted: bool = False  # its pages are in the counters
    normal: int = 0
    zero: int = 0
    header_bytes: int = 0  # counted when the packet is prepared: zero copy only
    data_bytes: int = 0  # counted when it is written
    began_ns: int = 0  # when it got a processor
    prepared_ns: int = 0
    runs_until_ns: int = 0  # until then it needs a processor, not the socket
    written_ns: int = 0
    drain_end: int = 0  # when the other side will have taken in all that was written
    zero_copied: bool = False  # data went out by reference since the last sync


@dataclass
class Senders:
    """All channels, the batch that the migration thread fills, and what they have counted."""

    plan: Any
    normal: int = 0  # the batch: pages of one block
    zero_pages: list[int] = field(default_factory=list)
    payload_millibytes: int = 0
    ending_bytes: int = 0  # what ends the payload
    compress_ns: int = 0
    decompress_ns: int = 0
    block: int = -1
    next_channel: int = 0
    next_ns: int = NEVER  # nothing changes before
    bytes: int = 0
    packet_num: int = 0
    missed_zero_copy: int = 0
    wakes: int = 0
    shared_free_ns: int = 0  # when the link that all share is free
    channels: list[Sender] = field(default_factory=list)
    link_free_ns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the channels."""
        self.channels = [Sender() for _ in range(self.plan.channels)]
        self.link_free_ns = [0] * len(self.plan.links)

    @property
    def batched(self) -> int:
        """Pages in the batch."""
        return self.normal + len(self.zero_pages)

    @property
    def header_bytes(self) -> int:
        """Size of a packet's header; a file has none."""
        return PACKET_HEADER_BYTES if self.plan.packets else 0

    def add(self, kind: int) -> None:
        """Append a page of a class to the batch."""
        page = self.plan.payloads[kind]
        self.normal += 1
        self.payload_millibytes += page.page_millibytes
        self.ending_bytes = max(self.ending_bytes, page.packet_bytes)
        self.compress_ns += page.compress_page_ns
        self.decompress_ns += page.decompress_page_ns

    def shared(self, ns: int) -> int:
        """Stretch work when more channels run than the machine's cores carry side by side."""
        carried = self.plan.costs.side_by_side_percent
        asked = 100 * len(self.channels)
        return ns * asked // carried if 0 < carried < asked else ns

    def lateness(self, at: int) -> int:
        """Draw how late a thread woken at `at` runs: behind senders that use a processor."""
        costs = self.plan.costs
        left_ns = sum(
            max(ch.runs_until_ns - max(at, ch.began_ns), 0) for ch in self.channels if ch.busy
        )
        if not left_ns or not costs.contention_permille:
            return costs.wake_ns
        number = counter(self.plan.race_key, self.wakes)
        self.wakes += 1
        share = costs.contention_permille[number * len(costs.contention_permille) >> 64]
        return costs.wake_ns + left_ns * share // 1000

    def start(
        self,
        index: int,
        at: int,
        detects: bool,
        first_touch: bool,
        link_bandwidth: int,
        backlog: int,
    ) -> None:
        """Give a channel the batch, or a SYNC packet if there is none, at time `at`.

        Zero pages are sent like others unless the sender looks for them.
        """
        ch, costs = self.channels[index], self.plan.costs
        zero, work = self.tested(detects)
        header, payload = self.header_bytes, self.payload_bytes()
        ch.began_ns = at + self.lateness(at)
        ch.busy, ch.counted, ch.normal, ch.zero = True, False, self.normal, zero
        by_reference = self.plan.zero_copy and payload > 0
        ch.header_bytes = header if by_reference else 0
        ch.data_bytes = header + payload - ch.header_bytes
        ch.zero_copied |= by_reference
        ch.prepared_ns = ch.began_ns + self.shared(costs.packet_ns + work)
        begun = ch.prepared_ns + self.shared(self.compress_ns)
        count = header + payload
        copied = by_reference and not costs.zero_copy_copied
        byte_ps = costs.zero_copy_byte_ps if copied else costs.write_byte_ps
        ch.runs_until_ns = begun + self.shared(costs.write_ns + count * byte_ps // 1000)
        page_ns = costs.first_touch_page_ns if first_touch else costs.destination_page_ns
        service = self.normal * page_ns + zero * costs.destination_zero_page_ns
        before = max(begun, ch.drain_end)
        drained = before + self.shared(service + self.decompress_ns)
        drained = max(drained, self.carried(index, begun, count, link_bandwidth, backlog))
        room = (drained - before) * costs.send_buffer_bytes // max(count, 1)
        ch.drain_end = drained
        ch.written_ns = max(ch.runs_until_ns, drained - room)
        self.normal, self.zero_pages = 0, []
        self.payload_millibytes = self.ending_bytes = self.compress_ns = self.decompress_ns = 0
        self.packet_num += 1
        self.note_next()

    def tested(self, detects: bool) -> tuple[int, int]:
        """Return the zero pages that the sender of the batch finds, and what the search costs."""
        zero, costs = len(self.zero_pages), self.plan.costs
        if detects:
            return zero, self.normal * costs.test_page_ns + zero * costs.test_zero_page_ns
        for _ in range(zero):
            self.add(0)
        return 0, 0

    def payload_bytes(self) -> int:
        """Return what follows the header: nothing for zero pages alone."""
        if self.normal == 0:
            return 0
        return self.payload_millibytes // 1000 + self.ending_bytes

    def carried(
        self, index: int, begun: int, count: int, link_bandwidth: int, backlog: int
    ) -> int:
        """Return when the links have carried it: the channel's own, and the one all share."""
        done = 0
        links = self.plan.links
        if links:
            link = index % len(links)
            start = max(begun, self.link_free_ns[link])
            done = self.link_free_ns[link] = start + count * 1_000_000_000 // links[link]
        if link_bandwidth > 0:
            start = max(begun, self.shared_free_ns, backlog)
            rate = max(link_bandwidth * self.plan.together_permille // 1000, 1)
            self.shared_free_ns = start + count * 1_000_000_000 // rate
            done = max(done, self.shared_free_ns)
        return done

    def note_next(self) -> None:
        """Find the next moment at which a channel changes something."""
        self.next_ns = NEVER
        for ch in self.channels:
            if ch.busy:
                self.next_ns = min(self.next_ns, ch.written_ns if ch.counted else ch.prepared_ns)
