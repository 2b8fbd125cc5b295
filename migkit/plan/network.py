"""What the engine knows of the link beside its bandwidth: delays, losses, the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migkit.network.link import Link
from migkit.oracle.draws import stream_key

__all__ = ["Network", "link_changes"]

_LINK_STREAM = 0x6C696E6B
"""Keeps the link's draws apart from every other stream of the same seed."""
_CHANNELS = 3
LOSS_UNIT = 10**9
"""A loss of 1, as the engine counts it."""


@dataclass(frozen=True)
class Network:
    """Resolved inputs of the link.

    Attributes
    ----------
    back_ns, jitter_ns : int
        Latency of the way back; most that a message is late.
    loss : int
        Share of lost packets, in billionths.
    segment_bytes, timeout_ns : int
        Payload of a packet; TCP's timeout.
    keys : tuple of int
        Of the draws of main channel, postcopy's second channel and return path.
    """

    back_ns: int
    jitter_ns: int
    loss: int
    segment_bytes: int
    timeout_ns: int
    keys: tuple[int, ...]

    @classmethod
    def of(cls, link: Link, seed: int) -> Network:
        """Resolve a link."""
        key = stream_key(seed, _LINK_STREAM)
        return cls(
            back_ns=link.back_ns,
            jitter_ns=link.jitter_ns,
            loss=round(link.loss_percent / 100 * LOSS_UNIT),
            segment_bytes=link.segment_bytes,
            timeout_ns=link.retransmission_timeout_ns,
            keys=tuple(stream_key(key, channel) for channel in range(_CHANNELS)),
        )


def link_changes(link: Link, arguments: Mapping[str, Any]) -> tuple[Link, dict[str, int]]:
    """Resolve one ``link-change``.

    Parameters
    ----------
    link : Link
        What holds before.
    arguments : mapping
        Fields of `Link` to their new values; ``bandwidth`` is the link's bandwidth.

    Returns
    -------
    (Link, dict of str to int)
        What holds from then on, and the same as the engine takes it.
    """
    names = {"bandwidth": "bandwidth_bytes_per_s"}
    values = {names.get(name, name): value for name, value in arguments.items()}
    if "latency_ns" in values and "return_latency_ns" not in values:
        values["return_latency_ns"] = None
    changed = dataclasses.replace(link, **values)
    network = Network.of(changed, 0)
    return changed, {
        "bandwidth": changed.carries,
        "latency_ns": changed.latency_ns,
        "back_ns": network.back_ns,
        "jitter_ns": network.jitter_ns,
        "loss": network.loss,
    }
