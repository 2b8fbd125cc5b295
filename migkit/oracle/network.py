"""How long a message travels: latency, jitter, a lost packet's second try; TCP keeps the order."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from migkit.oracle.draws import counter
from migkit.oracle.world import World

LOSS_UNIT = 10**9
FAST_RETRANSMIT_PACKETS = 4  # the first and three that tell of its loss (RFC 5681, 3.2)


class Channel(IntEnum):
    """Ways on which messages keep their order."""

    MAIN = 0
    URGENT = 1
    BACK = 2


def retransmission_ns(packets: int, round_trip_ns: int, timeout_ns: int) -> int:
    """Return how much later a message comes one of whose packets was lost."""
    if packets >= FAST_RETRANSMIT_PACKETS:
        return round_trip_ns
    return round_trip_ns + timeout_ns


def message_lost(packets: int, loss: int, number: int) -> bool:
    """Whether a message has lost a packet: `number` is 64 random bits, `loss` in billionths.

    Losses of several packets are added up: right as long as they are rare.
    """
    return number * LOSS_UNIT >> 64 < packets * loss


def round_trip_ns(w: World) -> int:
    """Return the time to the destination and back, without jitter."""
    return w.latency_ns + w.back_ns


def arrival(w: World, channel: Channel, sent: int, count: int) -> int:
    """Return when a message of `count` bytes, wholly on its way at `sent`, is there."""
    net = w.plan.network
    travel = w.back_ns if channel == Channel.BACK else w.latency_ns
    key, number = net.keys[channel], 2 * w.messages[channel]
    if w.jitter_ns:
        travel += counter(key, number) * (w.jitter_ns + 1) >> 64
    if w.loss:
        packets = (count + net.segment_bytes - 1) // net.segment_bytes
        if message_lost(packets, w.loss, counter(key, number + 1)):
            travel += retransmission_ns(packets, round_trip_ns(w), net.timeout_ns)
    w.messages[channel] += 1
    w.last_arrival_ns[channel] = max(sent + travel, w.last_arrival_ns[channel])
    return w.last_arrival_ns[channel]


def change(w: World, at: int, values: dict[str, Any]) -> None:
    """Let the link be another from `at` on; what waits in the sockets goes at its speed."""
    old, new = w.link_bandwidth, values["bandwidth"]
    if old > 0 and new > 0 and w.drain_end > at:
        w.drain_end = at + (w.drain_end - at) * old // new
    w.link_bandwidth = new
    w.latency_ns = values["latency_ns"]
    w.back_ns = values["back_ns"]
    w.jitter_ns = values["jitter_ns"]
    w.loss = values["loss"]


def reset(w: World) -> None:
    """Start with new connections: nothing is on its way on them."""
    w.last_arrival_ns = [0, 0, 0]
