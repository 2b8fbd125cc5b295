"""From the files of a migration's channels to a `Stream`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from migkit.errors import StreamError
from migkit.schema import (
    STREAM_BLOCKS,
    STREAM_DISCARDS,
    STREAM_MESSAGES,
    STREAM_PACKETS,
    STREAM_RECORDS,
)

from . import wire
from .cursor import Buffer, Cursor
from .device_lengths import Description
from .devices import DeviceState, device_state
from .frames import UNKNOWN, Table
from .mapped_ram import present_count
from .multifd import Packet, is_multifd, read_channel, tally_packets
from .page_records import PageChannel
from .page_tally import KINDS, SUMS, PageTally
from .records import MainStream, Record
from .return_path import read_return_path
from .source import Source, open_buffer
from .stream import Stream

__all__ = ["read_stream"]

_Described = tuple[Buffer, Description | None]


def read_stream(
    source: Source,
    *,
    channels: Sequence[Source] = (),
    return_path: Source | None = None,
    offset: int = 0,
    pages: bool = True,
    partial: bool = False,
) -> Stream:
    """Read a migration stream: of ``migrate file:``, of ``exec:``, or of a tap of its sockets.

    Parameters
    ----------
    source : path, bytes or binary file
        The main stream. A file is mapped, a pipe copied to a temporary file first.
    channels : sequence of the same
        What else the source sent, in any order but for recovered connections, which come in
        theirs: multifd channels, the channel of postcopy-preempt, main streams after a recovery.
    return_path : the same, optional
        What the destination sent on the main connection.
    offset : int
        Where the stream begins in its file, bytes.
    pages : bool
        Whether every page record is kept (about 25 bytes each), for `Stream.pages`,
        `Stream.page_map` and `page_history`. Sums are there in any case.
    partial : bool
        Whether a main stream that breaks off or is malformed is read as far as it goes;
        `Stream.error` says where it breaks.

    Returns
    -------
    Stream
        Frames, counters and device state.

    Raises
    ------
    StreamError
        If a channel cannot be read, or at the first offset that does not hold what it must.

    Examples
    --------
    >>> head = bytes.fromhex("5145564d 00000003 07 00000004 6e6f6e65")
    >>> read_stream(head + bytes(1)).configuration.machine
    'none'
    >>> read_stream(head)
    Traceback (most recent call last):
        ...
    migkit.errors.StreamError: offset 17 (0x11), record · type of a record needs 1 B and 0 B are \
left · give the whole stream, or read as far as it goes with partial
    """
    name, data = open_buffer(source)
    if not 0 <= offset <= len(data):
        raise StreamError.of(
            f"offset {offset}", f"allowed 0..{len(data)} B", "give one inside the file"
        )
    reading = _Reading(keep=pages)
    error = reading.main(data, offset, partial=partial)
    for channel in channels:
        reading.channel(open_buffer(channel)[1], partial=partial)
    messages = read_return_path(open_buffer(return_path)[1]) if return_path is not None else ()
    for message in messages:
        reading.tables["messages"].add(message)
    return reading.result(name, data, offset, error)


class _Reading:
    """What comes together while the channels of one migration are read."""

    def __init__(self, *, keep: bool) -> None:
        self.stream = MainStream(keep=keep)
        self.tables = {
            "records": Table(STREAM_RECORDS),
            "blocks": Table(STREAM_BLOCKS),
            "packets": Table(STREAM_PACKETS),
            "discards": Table(STREAM_DISCARDS),
            "messages": Table(STREAM_MESSAGES),
        }
        self.tallies = {"main": self.stream.tally}
        self._keep = keep
        self._connection = -1
        self._packets: list[tuple[Buffer, Packet]] = []
        self._devices: list[tuple[_Described, Record]] = []
        self._more = 0

    def main(self, data: Buffer, offset: int, *, partial: bool) -> StreamError | None:
        """Read a main stream, the first or one after a recovery."""
        self._connection += 1
        try:
            for record in self.stream.records(data, offset):
                self.tables["records"].add(self._row(record))
                if record.kind == "full":
                    self._devices.append(((data, self.stream.description), record))
        except StreamError as error:
            if not partial:
                raise
            return error
        return None

    def _row(self, record: Record) -> tuple[object, ...]:
        sums = (None if record.flushes is None else 0,) * (len(SUMS) - 1)
        return (
            record.offset,
            record.length,
            record.kind,
            record.section_id,
            record.name,
            record.instance_id,
            record.version_id,
            record.value,
            record.in_package,
            self._connection,
            None,
            *sums,
            record.flushes,
        )

    def _fill(self) -> None:
        """Put the sums of pages into the rows of RAM's sections."""
        columns = self.tables["records"].values
        rows = len(columns["offset"])
        is_ram = np.array(columns["multifd_flushes"], np.int64) != UNKNOWN
        sums = {name: self.stream.tally.of_section(name, rows) for name in SUMS}
        moved = sum(sums[kind] for kind in KINDS)
        for name in (*(f"{kind}_pages" for kind in KINDS), "page_bytes", "xbzrle_bytes", "round"):
            told = sums[name.removesuffix("_pages").removeprefix("page_")]
            known = is_ram & (moved > 0) if name == "round" else is_ram
            columns[name] = np.where(known, told, UNKNOWN)

    def channel(self, data: Buffer, *, partial: bool) -> None:
        """Read another channel, told by what it begins with."""
        if is_multifd(data):
            for packet in read_channel(data, self.stream.blocks):
                self._packets.append((data, packet))
        elif data[:1] == bytes([wire.COMMAND]):
            self.main(data, 0, partial=partial)
            self._more += len(data)
        else:
            cursor = Cursor(data)
            cursor.record = "channel of postcopy-preempt"
            urgent = PageChannel(self.stream.blocks, self._tally("preempt").take)
            urgent.read(cursor, len(self.tables["records"].values["offset"]) - 1, framed=False)
            urgent.flush()

    def _tally(self, name: str) -> PageTally:
        if name not in self.tallies:
            self.tallies[name] = PageTally(self.stream.blocks, keep=self._keep, sweeps=False)
        return self.tallies[name]

    def result(self, name: str, data: Buffer, offset: int, error: StreamError | None) -> Stream:
        """Put the stream together."""
        stream, tables = self.stream, self.tables
        self._fill()
        if self._packets:
            tally_packets(self._packets, stream.blocks, self._tally("multifd"))
        for _, packet in self._packets:
            tables["packets"].add(packet[:-1])
        size = stream.blocks.page_size
        for block in stream.blocks.listed:
            place = (block.page_bytes, block.bitmap_offset, block.pages_offset)
            mapped = block.bitmap_offset is not None
            present = present_count(data, block, size) if mapped else None
            tables["blocks"].add(
                (block.name, block.used_length, block.first_page, *place, present)
            )
        for item in stream.discards:
            tables["discards"].add((item.offset, item.block, item.start, item.length))
        return Stream(
            name=name,
            size=len(data) - offset + self._more,
            configuration=stream.configuration,
            page_size=size,
            ram_blocks=tuple(stream.blocks.listed),
            devices=tuple(_device(*entry) for entry in self._devices),
            trailing_bytes=stream.trailing,
            error=error,
            _data=data,
            _tables=tables,
            _tallies=self.tallies,
        )


def _device(described: _Described, record: Record) -> DeviceState:
    start = record.body_at or 0
    body = range(start, max(start, record.offset + record.length - wire.FOOTER_BYTES))
    ids = (record.instance_id or 0, record.version_id or 0)
    return device_state(*described, record.name, ids, body)
