"""What the engine takes of multifd: channels, links, what a page becomes, costs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migkit.compression import Cost, cost_of
from migkit.oracle.draws import stream_key
from migkit.plan.target import target_link

if TYPE_CHECKING:
    from migkit.host.multifd_costs import MultifdCosts
    from migkit.network.link import Link
    from migkit.scenario import Scenario

__all__ = ["MultifdPlan", "multifd_plan"]

_ZSTD_DEFAULT_LEVEL = 3
_CACHE_OF_A_CHANNEL = 1 << 28
"""Most that each channel may have dirty in the page cache, bytes."""
_RACE_STREAM = 0x6D756C7469666400
"""Keeps the draws of the thread race apart from every other stream of the same seed."""


@dataclass(frozen=True)
class MultifdPlan:
    """Resolved inputs of multifd.

    Attributes
    ----------
    channels : int
        Sender threads, each with a socket.
    packets : bool
        Whether pages go out in packets. Without, each channel writes its pages at their offsets
        in a file: no header, no greeting, no SYNC packet and no MULTIFD_FLUSH (mapped-ram).
    links : tuple of int
        Bytes per second of links of the channels' own, one after the other and again from the
        first; empty when there is only the link that all share.
    together_permille : int
        What all channels get of the shared link, in thousandths of what one connection gets.
    flush_after_each_section : bool
        Sync at the end of every section of RAM, not at each wrap of the blocks.
    zero_copy : bool
        Whether pages are handed to the kernel by reference.
    payloads : tuple of Cost
        What a page becomes, for each class of pages of the plan's content.
    costs : MultifdCosts
        Costs of the machine.
    race_key : int
        Key of the draws that decide who of the threads comes first.
    """

    channels: int
    packets: bool
    links: tuple[int, ...]
    together_permille: int
    flush_after_each_section: bool
    zero_copy: bool
    payloads: tuple[Cost, ...]
    costs: MultifdCosts
    race_key: int


def multifd_plan(
    scenario: Scenario, replicate: int | None, class_bytes: tuple[int, ...]
) -> MultifdPlan | None:
    """Resolve multifd.

    Parameters
    ----------
    scenario : Scenario
        Checked when it was made.
    replicate : int, optional
        Which draw of the thread race; without it, the scenario's own.
    class_bytes : tuple of int
        Data bytes of the pages of each class of the guest's content.

    Returns
    -------
    MultifdPlan or None
        None when the capability is off.
    """
    if "multifd" not in scenario.capabilities:
        return None
    values = scenario.parameters
    costs = _costs(scenario)
    level = {
        "zlib": values.multifd_zlib_level,
        "zstd": values.multifd_zstd_level or _ZSTD_DEFAULT_LEVEL,
    }.get(values.multifd_compression, 1)
    link = target_link(scenario)
    packets = "mapped-ram" not in scenario.capabilities
    run = 0 if replicate is None else replicate + 1
    return MultifdPlan(
        channels=values.multifd_channels,
        packets=packets,
        links=link.channel_bandwidths_bytes_per_s,
        together_permille=_together_permille(link, values.multifd_channels),
        flush_after_each_section=packets and scenario.multifd_flush_after_each_section,
        zero_copy="zero-copy-send" in scenario.capabilities,
        payloads=tuple(
            cost_of(values.multifd_compression, level, data).stretched(costs.compress_percent)
            for data in class_bytes
        ),
        costs=costs,
        race_key=stream_key(stream_key(scenario.seed, _RACE_STREAM), run),
    )


def _costs(scenario: Scenario) -> MultifdCosts:
    """Return the channels' costs; those of a file are its disk's, and nobody places pages."""
    host = scenario.contention.on(scenario.host)
    if scenario.transport.has_destination:
        return host.multifd
    direct = scenario.parameters.direct_io  # past the page cache: no copy, nothing waits there
    return dataclasses.replace(
        host.multifd,
        write_ns=host.storage.write_ns,
        write_byte_ps=0 if direct else host.storage.byte_ps,
        first_touch_page_ns=0,
        destination_page_ns=0,
        destination_zero_page_ns=0,
        send_buffer_bytes=0 if direct else min(host.storage.cache_bytes, _CACHE_OF_A_CHANNEL),
    )


def _together_permille(link: Link, channels: int) -> int:
    return 1000 * link.carried_by(channels) // link.carries if link.carries else 1000
