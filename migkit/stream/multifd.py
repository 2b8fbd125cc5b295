"""Multifd channels: their hello, packets of pages, of device state, and SYNC.

Source: migration/multifd.h (MultiFDPacket_t), multifd-nocomp.c, multifd-device-state.c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import wire
from .blocks import Blocks
from .cursor import Buffer, Cursor
from .page_tally import PageTally

__all__ = [
    "Packet",
    "is_multifd",
    "pages_of",
    "read_channel",
    "read_hello",
    "read_packet",
    "tally_packets",
]

_ID_BYTES = 256


class Packet(NamedTuple):
    """One packet.

    Attributes
    ----------
    channel : int
        Id from the channel's hello.
    offset, length : int
        Where it begins in its channel, and its bytes with header and payload.
    kind : str
        ``pages``, ``sync`` or ``device-state``.
    packet_num : int or None
        QEMU's number; device state has none.
    method : str
        How the payload is compressed.
    name : str
        RAM block, or handler of device state.
    normal_pages, zero_pages : int
        Pages with contents, and without.
    pages_at : int
        Where the offsets of its pages lie in the channel.
    """

    channel: int
    offset: int
    length: int
    kind: str
    packet_num: int | None
    method: str
    name: str
    normal_pages: int = 0
    zero_pages: int = 0
    pages_at: int = 0


def is_multifd(data: Buffer) -> bool:
    """Tell whether a channel begins with multifd's hello."""
    return data[:4] == wire.MULTIFD_MAGIC.to_bytes(4, "big")


def read_channel(data: Buffer, blocks: Blocks) -> Iterator[Packet]:
    """Read the packets of a channel.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        All of it.
    blocks : Blocks
        What the main stream announced.

    Yields
    ------
    Packet
        In order.

    Raises
    ------
    StreamError
        At the first packet that is none.
    """
    cursor = Cursor(data)
    channel = read_hello(cursor)
    while cursor.left:
        yield read_packet(cursor, channel, blocks)


def read_hello(cursor: Cursor) -> int:
    """Read what a channel begins with, and return its id."""
    cursor.record = "multifd hello"
    _magic(cursor)
    cursor.skip(16, "uuid")
    channel = cursor.u8("channel id")
    cursor.skip(wire.MULTIFD_INIT_BYTES - 25, "rest of the hello")
    return channel


def read_packet(cursor: Cursor, channel: int, blocks: Blocks) -> Packet:
    """Read one packet.

    Parameters
    ----------
    cursor : Cursor
        At it; afterwards behind its payload.
    channel : int
        Id from the hello.
    blocks : Blocks
        What the main stream announced.

    Returns
    -------
    Packet
        ``pages_at`` is a place in the cursor's buffer.

    Raises
    ------
    StreamError
        If it is none.
    """
    cursor.record = "multifd packet"
    start = cursor.at
    _magic(cursor)
    flags = cursor.u32("flags")
    method = wire.MULTIFD_METHODS.get(flags & wire.MULTIFD_FLAG_METHOD)
    if method is None or flags >> 7:
        raise cursor.fail(f"flags {flags:#x} of a packet are not known", at=start)
    if flags & wire.MULTIFD_FLAG_DEVICE_STATE:
        name, place = _name(cursor), cursor.base + start
        cursor.skip(4, "instance id")
        cursor.pass_over(cursor.u32("next_packet_size"), "device state")
        return Packet(channel, place, cursor.place - place, "device-state", None, method, name)
    return _pages(cursor, channel, start, flags, method, blocks)


def _magic(cursor: Cursor) -> None:
    start = cursor.at
    magic, version = cursor.u32("magic"), cursor.u32("version")
    if (magic, version) != (wire.MULTIFD_MAGIC, wire.MULTIFD_VERSION):
        raise cursor.fail(f"magic {magic:#010x} and version {version} of multifd", at=start)


def _name(cursor: Cursor) -> str:
    raw = cursor.take(_ID_BYTES, "name").split(b"\0", 1)[0]
    return raw.decode("ascii", "replace")


def _pages(
    cursor: Cursor, channel: int, start: int, flags: int, method: str, blocks: Blocks
) -> Packet:
    most = wire.MULTIFD_PACKET_BYTES // blocks.page_size
    cursor.skip(4, "pages_alloc")
    normal, payload = cursor.u32("normal_pages"), cursor.u32("next_packet_size")
    number, zero = cursor.u64("packet_num"), cursor.u32("zero_pages")
    cursor.skip(28, "unused")
    name = _name(cursor)
    at = cursor.at
    cursor.skip(8 * most, "offsets of pages")
    sync = bool(flags & wire.MULTIFD_FLAG_SYNC)
    if normal + zero > most or payload > 2 * wire.MULTIFD_PACKET_BYTES or number >> 62:
        raise cursor.fail(f"packet {number} of {normal} + {zero} pages, allowed {most}", at=start)
    if (method == "none" and payload != normal * blocks.page_size) or (sync and payload):
        raise cursor.fail(f"{payload} B of payload for {normal} pages", at=start)
    cursor.skip(payload, "payload")
    if normal + zero:
        _check_pages(cursor, start, _offsets(cursor.data, at, normal + zero), name, blocks)
    kind = "sync" if sync else "pages"
    length = cursor.at - start
    place = cursor.base + start
    return Packet(channel, place, length, kind, number, method, name, normal, zero, at)


def pages_of(data: Buffer, packet: Packet, blocks: Blocks) -> npt.NDArray[np.int64]:
    """Return the numbers of a packet's pages through all blocks, those with contents first."""
    count = packet.normal_pages + packet.zero_pages
    block = blocks.listed[blocks.number[packet.name.encode()]]
    offsets = _offsets(data, packet.pages_at, count) // np.uint64(blocks.page_size)
    return offsets.astype(np.int64) + block.first_page


def _offsets(data: Buffer, at: int, count: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(data, ">u8", count, at).astype(np.uint64)


def _check_pages(
    cursor: Cursor, start: int, offsets: npt.NDArray[np.uint64], name: str, blocks: Blocks
) -> None:
    number = blocks.number.get(name.encode())
    if number is None:
        raise cursor.fail(f"pages of block {name[:40]!r}, not announced", at=start)
    block = blocks.listed[number]
    outside = offsets >= np.uint64(block.used_length)
    wrong = outside | ((offsets % np.uint64(blocks.page_size)) != 0)
    if wrong.any():
        raise cursor.fail(
            f"page at {int(offsets[wrong][0]):#x} of block {name} of {block.used_length} B",
            at=start,
        )


def tally_packets(
    packets: list[tuple[Buffer | None, Packet]], blocks: Blocks, tally: PageTally
) -> None:
    """Count the pages of all channels, those between the same SYNCs in order of ``packet_num``.

    A packet may have a higher number than another channel's SYNC and come before that of its own.

    Parameters
    ----------
    packets : list of (buffer, Packet)
        Of all channels, each with what its place of offsets lies in, or None where only the
        number of its pages matters.
    blocks : Blocks
        What the main stream announced.
    tally : PageTally
        Gets them.
    """
    numbered = []
    synced: Counter[int] = Counter()
    for data, packet in packets:
        synced[packet.channel] += packet.kind == "sync"
        if packet.normal_pages + packet.zero_pages:
            numbered.append((synced[packet.channel], packet.packet_num, data, packet))
    round_, before = -1, -1
    for syncs, _, data, packet in sorted(numbered, key=lambda entry: entry[:2]):
        count = packet.normal_pages + packet.zero_pages
        round_ += syncs != before
        before = syncs
        pages = np.zeros(count, np.int64) if data is None else pages_of(data, packet, blocks)
        tally.take_packet(packet.offset, pages, packet.normal_pages, round_)
