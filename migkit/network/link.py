"""The physical link between source and destination, and what one TCP connection gets of it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError
from migkit.records import check_numbers

__all__ = ["Link"]

_ACKNOWLEDGED_TOGETHER = 2
"""Segments a delayed acknowledgement covers (RFC 1122, 4.2.3.2): b of the PFTK model."""
_MOST_LOSS_PERCENT = 50.0


@dataclass(frozen=True)
class Link:
    """The physical link between source and destination; QEMU's limits are parameters.

    Parameters
    ----------
    bandwidth_bytes_per_s : int
        What it carries, bytes per second; 0 is as fast as the destination takes the pages.
    latency_ns : int
        One way, nanoseconds; the way back too, unless `return_latency_ns` says otherwise.
    send_buffer_bytes : int
        What the two sockets hold before a write blocks, bytes.
    recovery_bandwidth_bytes_per_s : int
        What the link carries after a postcopy migration was recovered; 0 as above.
    return_latency_ns : int, optional
        Destination to source, nanoseconds.
    jitter_ns : int
        Most that a message comes later than the latency, nanoseconds; drawn for each, uniformly.
        TCP keeps the order: what follows a late message is late too.
    loss_percent : float
        Share of the packets that get lost, 0..50 %. It bounds the throughput (see `carries`) and
        delays messages: by a round trip, or by `retransmission_timeout_ns` where fewer than four
        packets went out together and no later ones tell of the loss.
    segment_bytes : int
        Payload of a packet, bytes, 1 or more.
    window_bytes : int
        Largest TCP window, bytes; 0 never limits.
    retransmission_timeout_ns : int
        TCP's least timeout, nanoseconds; Linux: 200 ms.
    competing_bytes_per_s : int
        What other traffic takes that does not yield, bytes per second; at most nine tenths count.
    competing_flows : int
        TCP connections of others that share the rest evenly with the migration.
    channel_bandwidths_bytes_per_s : tuple of int
        Links of multifd's channels: the first channel takes the first, and so on, again from the
        first when there are more channels. All of them share ``bandwidth_bytes_per_s`` too, if
        that is limited. Empty: no link but that one.

    Raises
    ------
    InputError
        If a value is negative, not whole or outside its range, if traffic competes for a link
        without a bandwidth, or if a channel's link carries nothing.

    Examples
    --------
    >>> Link(bandwidth_bytes_per_s=125_000_000, competing_flows=4).carries
    25000000
    """

    bandwidth_bytes_per_s: int = 0
    latency_ns: int = 0
    send_buffer_bytes: int = 0
    recovery_bandwidth_bytes_per_s: int = 0
    return_latency_ns: int | None = None
    jitter_ns: int = 0
    loss_percent: float = 0.0
    segment_bytes: int = 1448
    window_bytes: int = 0
    retransmission_timeout_ns: int = 200_000_000
    competing_bytes_per_s: int = 0
    competing_flows: int = 0
    channel_bandwidths_bytes_per_s: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("link", self, InputError)
        if self.return_latency_ns is not None:
            check_numbers("link", _Back(self.return_latency_ns), InputError)
        self._check_ranges()
        self._check_channels()

    def _check_ranges(self) -> None:
        loss = self.loss_percent
        number = isinstance(loss, int | float) and not isinstance(loss, bool)
        if not number or not 0 <= loss <= _MOST_LOSS_PERCENT:
            raise InputError.of(
                f"link: loss_percent {loss!r}", "allowed 0..50 %", "give a share in percent"
            )
        object.__setattr__(self, "loss_percent", float(loss))
        if not self.segment_bytes:
            raise InputError.of("link: segment_bytes 0", "allowed 1 or more", "leave it out")
        if not self.bandwidth_bytes_per_s and (self.competing_bytes_per_s or self.competing_flows):
            raise InputError.of(
                "link: competing traffic",
                "the link's bandwidth is not given",
                "give bandwidth_bytes_per_s too",
            )

    def _check_channels(self) -> None:
        rates = tuple(self.channel_bandwidths_bytes_per_s)
        for rate in rates:
            if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate < 1 << 62:
                raise InputError.of(
                    f"link: channel_bandwidths_bytes_per_s with {rate!r}",
                    "allowed whole numbers from 1 up",
                    "give the bytes per second of each link",
                )
        object.__setattr__(self, "channel_bandwidths_bytes_per_s", rates)

    @property
    def back_ns(self) -> int:
        """Latency from the destination to the source, nanoseconds."""
        return self.latency_ns if self.return_latency_ns is None else self.return_latency_ns

    @property
    def carries_after_recovery(self) -> int:
        """What one TCP connection gets once postcopy was recovered, as `carries`."""
        rate = self.recovery_bandwidth_bytes_per_s
        if rate == self.bandwidth_bytes_per_s:
            return self.carries
        alone: dict[str, Any] = {} if rate else {"competing_bytes_per_s": 0, "competing_flows": 0}
        return dataclasses.replace(self, bandwidth_bytes_per_s=rate, **alone).carries

    @property
    def carries(self) -> int:
        """What one TCP connection gets, bytes per second; 0 is as fast as the destination takes.

        The least of its share of the link, of the window in each round trip, and of what loss
        lets TCP Reno reach: Padhye, Firoiu, Towsley and Kurose 1998, equation 30, whose first
        term is the bound of Mathis, Semke, Mahdavi and Ott 1997.
        """
        return self.carried_by(1)

    def carried_by(self, connections: int) -> int:
        """Tell what several TCP connections get together.

        Parameters
        ----------
        connections : int
            How many of the migration's own, such as multifd's channels.

        Returns
        -------
        int
            Bytes per second, for one of them as in `carries`: each takes a share of the link as
            a competing flow does, and has a window and losses of its own. 0 as there.

        Examples
        --------
        >>> link = Link(bandwidth_bytes_per_s=125_000_000, competing_flows=4)
        >>> link.carried_by(1), link.carried_by(4)
        (25000000, 62500000)
        """
        bounds = []
        if self.bandwidth_bytes_per_s:
            left = self.bandwidth_bytes_per_s - self.competing_bytes_per_s
            left = max(left, self.bandwidth_bytes_per_s // 10)
            bounds.append(left * connections // (self.competing_flows + connections))
        trip_s = (self.latency_ns + self.back_ns + self.jitter_ns) / 1e9
        if self.window_bytes and trip_s:
            bounds.append(int(connections * self.window_bytes / trip_s))
        if self.loss_percent and self._segment_s(trip_s):
            bounds.append(int(connections * self.segment_bytes / self._segment_s(trip_s)))
        return max(min(bounds), 1) if bounds else 0

    def _segment_s(self, trip_s: float) -> float:
        """Return the time a segment takes under loss, seconds."""
        p, b = self.loss_percent / 100, _ACKNOWLEDGED_TOGETHER
        timeout_s = self.retransmission_timeout_ns / 1e9 + trip_s
        waits = min(1.0, 3 * math.sqrt(3 * b * p / 8)) * p * (1 + 32 * p * p)
        return trip_s * math.sqrt(2 * b * p / 3) + timeout_s * waits


@dataclass(frozen=True)
class _Back:
    """The one number that may be missing, for the same check as the others."""

    return_latency_ns: int
