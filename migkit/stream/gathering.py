"""What is known of a migration while its channels are read, and the `Stream` it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from migkit.errors import StreamError
from migkit.schema import (
    STREAM_BLOCKS,
    STREAM_DISCARDS,
    STREAM_MESSAGES,
    STREAM_PACKETS,
    STREAM_RECORDS,
)

from .cursor import Buffer
from .devices import DeviceState
from .frames import UNKNOWN, Table
from .mapped_ram import present_count
from .multifd import Packet, tally_packets
from .page_tally import KINDS, SUMS, PageTally
from .records import MainStream, Record
from .rounds import rounds_frame
from .stream import Stream

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Gathering"]


class Gathering:
    """Takes the records, packets and messages of one migration.

    Parameters
    ----------
    stream : MainStream
        Reads the main stream.
    keep : bool
        Whether every page is kept.

    Attributes
    ----------
    tables : dict of Table
        Rows of the frames.
    connection : int
        Number of the main connection, one more after each recovery; -1 before the first.
    """

    def __init__(self, stream: MainStream, *, keep: bool) -> None:
        self.stream = stream
        self.tables = {
            "records": Table(STREAM_RECORDS),
            "blocks": Table(STREAM_BLOCKS),
            "packets": Table(STREAM_PACKETS),
            "discards": Table(STREAM_DISCARDS),
            "messages": Table(STREAM_MESSAGES),
        }
        self.connection = -1
        self._tallies = {"main": stream.tally}
        self._keep = keep
        self._packets: list[tuple[Buffer | None, Packet]] = []

    @property
    def rows(self) -> int:
        """Records of the main stream so far."""
        return len(self.tables["records"].values["offset"])

    def tally(self, name: str) -> PageTally:
        """Return what counts the pages of a channel that is not the main one."""
        if name not in self._tallies:
            self._tallies[name] = PageTally(self.stream.blocks, keep=self._keep, sweeps=False)
        return self._tallies[name]

    @property
    def rounds(self) -> pd.DataFrame:
        """Sweeps so far, but for pages in packets; from any thread."""
        return rounds_frame(self._tallies)

    def add(self, record: Record) -> None:
        """Take a record of the main stream."""
        sums = (None if record.flushes is None else 0,) * (len(SUMS) - 1)
        self.tables["records"].add(
            (
                record.offset,
                record.length,
                record.kind,
                record.section_id,
                record.name,
                record.instance_id,
                record.version_id,
                record.value,
                record.in_package,
                self.connection,
                None,
                *sums,
                record.flushes,
            )
        )

    def add_packet(self, data: Buffer | None, packet: Packet) -> None:
        """Take a multifd packet, and what the offsets of its pages lie in."""
        self._packets.append((data, packet))

    def _fill(self) -> None:
        """Put the sums of pages into the rows of RAM's sections."""
        columns = self.tables["records"].values
        is_ram = np.array(columns["multifd_flushes"], np.int64) != UNKNOWN
        sums = {name: self.stream.tally.of_section(name, self.rows) for name in SUMS}
        moved = sum(sums[kind] for kind in KINDS)
        for name in (*(f"{kind}_pages" for kind in KINDS), "page_bytes", "xbzrle_bytes", "round"):
            told = sums[name.removesuffix("_pages").removeprefix("page_")]
            known = is_ram & (moved > 0) if name == "round" else is_ram
            columns[name] = np.where(known, told, UNKNOWN)

    def stream_of(
        self,
        name: str,
        size: int,
        data: Buffer,
        devices: tuple[DeviceState, ...],
        error: StreamError | None,
    ) -> Stream:
        """Put the stream together, once.

        Parameters
        ----------
        name : str
            What to call it.
        size : int
            Bytes of all main streams.
        data : bytes, bytearray or mmap
            The main stream, for mapped-ram.
        devices : tuple of DeviceState
            What was read of them.
        error : StreamError or None
            Where it breaks.

        Returns
        -------
        Stream
            Everything that was taken.
        """
        stream, tables = self.stream, self.tables
        self._fill()
        if self._packets:
            tally_packets(self._packets, stream.blocks, self.tally("multifd"))
        for _, packet in self._packets:
            tables["packets"].add(packet[:-1])
        page_size = stream.blocks.page_size
        for block in stream.blocks.listed:
            place = (block.page_bytes, block.bitmap_offset, block.pages_offset)
            mapped = block.bitmap_offset is not None
            present = present_count(data, block, page_size) if mapped else None
            tables["blocks"].add(
                (block.name, block.used_length, block.first_page, *place, present)
            )
        for item in stream.discards:
            tables["discards"].add((item.offset, item.block, item.start, item.length))
        return Stream(
            name=name,
            size=size,
            configuration=stream.configuration,
            page_size=page_size,
            ram_blocks=tuple(stream.blocks.listed),
            devices=devices,
            trailing_bytes=stream.trailing,
            error=error,
            _data=data,
            _tables=tables,
            _tallies=self._tallies,
        )
