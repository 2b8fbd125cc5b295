"""The link of a tap in model time: when bytes have left, and when they arrive.

The physics is that of the simulation (`migkit.network.Link` and the engine's ``network``): loss,
window and competing traffic bound the rate, by Padhye et al.'s equation; a message that loses a
packet comes a round trip later, or a timeout, and all that follows it waits, as TCP keeps the
order.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from migkit._engine.network import message_lost, retransmission_ns
from migkit.errors import InputError
from migkit.network import Link
from migkit.oracle.draws import counter
from migkit.plan.network import Network, link_changes

from .outage import Outage, resumes_ns

__all__ = ["Line"]

_SECOND_NS = 1_000_000_000
_WITHOUT_LIMIT = 10**15
"""Bytes a second of a link that bounds nothing: a nanosecond for any message."""


class Line:
    """A link over time.

    Times are nanoseconds after the first byte.

    A tap ends TCP on both sides, so no packet is lost: what TCP makes of a loss is modelled.

    - Loss, window and competing traffic bound the mean rate (`migkit.network.Link.carries`; that
      of multifd's channels together is `carried_by`).
    - A message that loses a packet comes a round trip later, or a timeout later too where fewer
      than four packets went out together. What follows on its connection waits. A message is
      what came at once, at most as much as QEMU writes at once, 128 KiB.
    - After an outage TCP goes on at its first retransmission that gets through; each waits twice
      as long as the one before.

    Not modelled: the window of each connection over time (slow start, halving and growth; only
    their mean is), queues of the network that fill, other sockets than this system's
    (``send-buffer``), and a link of its own for each channel (``channels``).

    Parameters
    ----------
    link : Link
        What it is at first.
    seed : int
        Of its draws: the same messages are delayed the same.
    steps : sequence of (int, mapping)
        What changes, and when, in order: arguments of a timeline's ``link-change``.
    outages : sequence of Outage
        When nothing passes.

    Attributes
    ----------
    limits, delays : bool
        Whether anything bounds the rate, or delays a message, now or later.

    Raises
    ------
    InputError
        If a link of its own for each channel is asked for.
    """

    def __init__(
        self,
        link: Link,
        seed: int = 1,
        steps: Sequence[tuple[int, Mapping[str, Any]]] = (),
        outages: Sequence[Outage] = (),
    ) -> None:
        if link.channel_bandwidths_bytes_per_s:
            raise InputError.of("link: channels", "a tap has one link", "leave it out")
        self._seed = seed
        self._connections = 1
        self._times, self._links = [0], [link]
        self._networks: dict[Link, Network] = {}
        for at, arguments in steps:
            self._step(at, arguments)
        self._silent = [
            (outage, resumes_ns(outage, self._timeout_ns(outage.begin_ns))) for outage in outages
        ]
        self._tell()
        self._base = (0, 0)
        self._taken = 0
        self._messages: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def _step(self, at: int, arguments: Mapping[str, Any]) -> None:
        place = bisect_right(self._times, at)
        changed, _ = link_changes(self._links[place - 1], arguments)
        self._times.insert(place, at)
        self._links.insert(place, changed)

    def link(self, at: int) -> Link:
        """Return the link as it is at a time."""
        return self._links[bisect_right(self._times, max(at, 0)) - 1]

    def _tell(self) -> None:
        """Note whether anything can delay a message or bound the rate, now or later."""
        silent, links = bool(self._silent), self._links
        self.limits = silent or any(link.carries for link in links)
        self.delays = silent or any(
            link.latency_ns or link.back_ns or link.jitter_ns or link.loss_percent
            for link in links
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what it is as plain values: what differs from a link without limits."""
        plain = dataclasses.asdict(Link())
        told: dict[str, Any] = {
            name: value
            for name, value in dataclasses.asdict(self._links[0]).items()
            if value != plain[name]
        }
        if told:
            told |= {"carries_bytes_per_s": self._links[0].carries, "seed": self._seed}
        if self._silent:
            told["outages"] = [
                {"begin_ns": outage.begin_ns, "end_ns": outage.end_ns, "goes_on_ns": resumed}
                for outage, resumed in self._silent
            ]
        if len(self._links) > 1:
            told["changes"] = [
                {"at_ns": at, "carries_bytes_per_s": link.carries}
                for at, link in zip(self._times[1:], self._links[1:], strict=True)
            ]
        return told

    def rate(self, at: int) -> int:
        """Return the bytes a second that it carries to the destination; 0 is no limit."""
        return self.link(at).carried_by(self._connections)

    def change(self, at: int, arguments: Mapping[str, Any]) -> None:
        """Let it be another from now on, as ``link-change`` says; later steps stay."""
        self._settle(at)
        self._step(at, arguments)
        self._tell()

    def recover(self, at: int) -> None:
        """Let it be what it is after a recovery, from now on; new connections come."""
        rate = self.link(at).recovery_bandwidth_bytes_per_s
        alone = {} if rate else {"competing_bytes_per_s": 0, "competing_flows": 0}
        self.change(at, {"bandwidth": rate, **alone})
        self._connections = 1
        self._last = {}

    def share(self, at: int, connections: int) -> None:
        """Let so many connections share it from now on."""
        self._settle(at)
        self._connections = connections

    def take(self, now: int, count: int) -> int:
        """Take bytes for the destination, behind all that were taken before.

        Returns
        -------
        int
            Their place, for `left`: how much had to be carried until they are, bytes/s x ns.
        """
        self._taken = max(self._taken, self._carried(now)) + count * _SECOND_NS
        return self._taken

    def left(self, place: int) -> int:
        """Return when bytes that `take` took have left, as the link is known by now."""
        at, carried = self._base
        while True:
            until, rate = self._stretch(at)
            due = at + -(-(place - carried) // rate) if rate else None
            if due is not None and (until is None or due <= until):
                return max(due, at)
            assert until is not None
            carried += rate * (until - at)
            at = until

    def arrives(self, way: int, back: bool, sent: int, count: int) -> int:
        """Return when a message is there, whose last byte has left.

        Parameters
        ----------
        way : int
            Direction of one connection: what keeps its order.
        back : bool
            Whether it goes to the source.
        sent, count : int
            When it left, and its bytes.
        """
        link = self.link(sent)
        travel = link.back_ns if back else link.latency_ns
        due = sent + travel + self._late_ns(link, way, count)
        for outage, resumed in self._silent:
            on_its_way = outage.begin_ns <= due < outage.end_ns
            if on_its_way or outage.begin_ns <= sent < resumed:
                sent = resumed
                due = resumed + travel
        self._last[way] = max(due, self._last.get(way, 0))
        return self._last[way]

    def _late_ns(self, link: Link, way: int, count: int) -> int:
        """Draw how much later than the latency the next message of a way comes."""
        network, number, late = self._network(link), 2 * self._messages.get(way, 0), 0
        key = network.keys[0] + way
        if link.jitter_ns:
            late = counter(key, number) * (link.jitter_ns + 1) >> 64
        if network.loss:
            packets = -(-count // network.segment_bytes)
            if message_lost(packets, network.loss, counter(key, number + 1)):
                trip = link.latency_ns + link.back_ns
                late += retransmission_ns(packets, trip, network.timeout_ns)
        self._messages[way] = number // 2 + 1
        return late

    def _network(self, link: Link) -> Network:
        if link not in self._networks:
            self._networks[link] = Network.of(link, self._seed)
        return self._networks[link]

    def _timeout_ns(self, at: int) -> int:
        link = self.link(at)
        return link.latency_ns + link.back_ns + link.retransmission_timeout_ns

    def _stretch(self, at: int) -> tuple[int | None, int]:
        """Return until when the rate holds that holds at a time, and that rate."""
        ends = [self._times[n] for n in [bisect_right(self._times, at)] if n < len(self._times)]
        rate = self.rate(at) or _WITHOUT_LIMIT
        for outage, resumed in self._silent:
            if outage.begin_ns <= at < resumed:
                ends.append(resumed)
                rate = 0
            elif at < outage.begin_ns:
                ends.append(outage.begin_ns)
        return min(ends, default=None), rate

    def _carried(self, now: int) -> int:
        """Return what it could have carried by now if it had never rested."""
        self._settle(now)
        return self._base[1]

    def _settle(self, now: int) -> None:
        """Fix what was carried by now: what changes, changes later."""
        at, carried = self._base
        while at < now:
            until, rate = self._stretch(at)
            end = now if until is None else min(now, until)
            carried += rate * (end - at)
            at = end
        self._base = (at, carried)
