"""The records of a main stream, one after the other.

Source: migration/savevm.c (qemu_loadvm_state_main and what writes for it).
"""

from __future__ import annotations

from collections.abc import Iterator

from migkit.errors import StreamError

from . import wire
from .blocks import Blocks, read_blocks
from .commands import Command, Discard, read_command
from .configuration import Configuration, read_header
from .cursor import Buffer, Cursor
from .device_lengths import Description, find_description
from .footers import Ending, find_footer, read_footer
from .iterables import read_dirty_bitmap, read_vfio
from .page_records import PageChannel
from .page_tally import PageTally
from .record_types import KIND_NAMES, Head, Record

__all__ = ["KIND_NAMES", "Head", "MainStream", "Record"]

_RAM_VERSION = 4


class MainStream:
    """Reads a main stream, and a second one that goes on after a recovery.

    Parameters
    ----------
    keep : bool
        Whether every page is kept.

    Attributes
    ----------
    command : Command
        The last one.
    most_ram_bytes : int or None
        More RAM than this is refused.
    """

    def __init__(self, *, keep: bool) -> None:
        self.configuration = Configuration()
        self.description: Description | None = None
        self.blocks = Blocks(wire.PAGE_BYTES)
        self.tally = PageTally(self.blocks, keep=keep)
        self.channel = PageChannel(self.blocks, self.tally.take)
        self.discards: list[Discard] = []
        self.command = Command("")
        self.most_ram_bytes: int | None = None
        self.trailing = 0
        self._started: dict[int, Head] = {}
        self._advised: tuple[int, int | None] = (0, None)
        self._packaged = False
        self._rows = 0

    def records(self, data: Buffer, offset: int = 0) -> Iterator[Record]:
        """Read a file.

        Parameters
        ----------
        data : bytes, bytearray or mmap
            All of it.
        offset : int
            Where the stream begins.

        Yields
        ------
        Record
            In the order of the stream; the one in which it breaks too, with what was read of it.

        Raises
        ------
        StreamError
            At the first thing that is wrong.
        """
        cursor = Cursor(data, offset)
        self.description = find_description(data, offset)
        yield from self.read(cursor)
        self.trailing += cursor.left

    def read(self, cursor: Cursor) -> Iterator[Record]:
        """Read what a cursor goes over, as `records`; the description must be known before."""
        if self._started and cursor.have(1) and cursor.data[cursor.at] == wire.COMMAND:
            self.channel.block = None
            self.channel.break_sweep()
        else:
            start = cursor.place
            self.configuration = read_header(cursor)
            yield self.count(Record("configuration", start, cursor.place - start))
        try:
            yield from self._records(cursor, in_package=False)
        finally:
            self.channel.flush()  # what stands before damage counts too
        cursor.await_at(cursor.at, 0 if self._packaged else 1)
        if cursor.left and cursor.data[cursor.at] == wire.VMDESCRIPTION:
            yield self._read_description(cursor)

    def _read_description(self, cursor: Cursor) -> Record:
        start = cursor.place
        cursor.record = "vmdescription"
        cursor.at += 1
        cursor.skip(cursor.u32("length"), "description of devices")
        return self.count(Record("vmdescription", start, cursor.place - start))

    def _records(self, cursor: Cursor, *, in_package: bool) -> Iterator[Record]:
        while cursor.left or not in_package:
            kind = self._kind(cursor)
            if kind == wire.VM_EOF and not in_package:
                yield self.count(Record("eof", cursor.place - 1, 1))
                return
            yield from self._record(cursor, kind, in_package=in_package)

    def _kind(self, cursor: Cursor) -> int:
        if cursor.live:
            self.channel.flush()
            cursor.settle()
        cursor.record = "record"
        return cursor.u8("type of a record")

    def _record(self, cursor: Cursor, kind: int, *, in_package: bool) -> Iterator[Record]:
        """Read a record behind the byte that says which."""
        start = cursor.at - 1
        if kind == wire.COMMAND:
            yield from self._command(cursor, start, in_package=in_package)
        elif kind in KIND_NAMES:
            yield from self._section(cursor, start, kind, in_package=in_package)
        else:
            raise cursor.fail(f"byte {kind:#04x}, which begins no record", at=start)

    def count(self, record: Record) -> Record:
        """Count a record, and refuse endlessly many."""
        self._rows += 1
        if self._rows > wire.MOST_RECORDS:
            raise StreamError.at(
                record.offset, record.kind, f"more than {wire.MOST_RECORDS} records", "split it"
            )
        return record

    def _command(self, cursor: Cursor, start: int, *, in_package: bool) -> Iterator[Record]:
        command = self.command = read_command(cursor)
        if command.name == "POSTCOPY_ADVISE" and command.value is not None:
            self._advised = (command.value, command.page_size)
        self.discards += command.discards
        value = len(command.discards) if command.discards else command.value
        yield self.count(
            Record("command", cursor.base + start, cursor.at - start, name=command.name,
                   value=value, in_package=in_package)
        )  # fmt: skip
        if command.name == "PACKAGED":
            if in_package:
                raise cursor.fail("a package inside a package", at=start)
            self._packaged = True
            length = command.value or 0
            yield from self._records(cursor.part(length, "package"), in_package=True)
            self.channel.break_sweep()

    def _section(
        self, cursor: Cursor, start: int, kind: int, *, in_package: bool
    ) -> Iterator[Record]:
        head = self._head(cursor, kind)
        cursor.record = f"section {KIND_NAMES[kind]} of {head.name} ({head.section_id})"
        body, start = cursor.place, cursor.base + start
        is_ram = head.name == "ram" and kind != wire.SECTION_FULL

        def row() -> Record:
            return self.count(
                Record(
                    KIND_NAMES[kind], start, cursor.place - start, *head[:3], head.name, None,
                    in_package, body, self.channel.flushes if is_ram else None,
                )
            )  # fmt: skip

        try:
            if is_ram:
                self._ram(cursor, kind, head)
                self.channel.read(cursor, self._rows)
            else:
                ending = Ending(cursor, self._started, in_package)
                self._body(cursor, head, ending)
            read_footer(cursor, head.section_id)
        except StreamError:
            yield row()
            raise
        yield row()

    def _head(self, cursor: Cursor, kind: int) -> Head:
        start = cursor.at
        section = cursor.u32("section id")
        if kind in {wire.SECTION_PART, wire.SECTION_END}:
            head = self._started.get(section)
            if head is None:
                raise cursor.fail(
                    f"section {section}, which was not started",
                    "read it with the connection before it",
                    at=start,
                )
            return head
        name = cursor.text("name of a section")
        head = Head(section, cursor.u32("instance id"), cursor.u32("version"), name)
        if kind == wire.SECTION_START:
            if section in self._started:
                raise cursor.fail(f"section {section} is started a second time", at=start)
            self._started[section] = head
        return head

    def _ram(self, cursor: Cursor, kind: int, head: Head) -> None:
        """Read what stands before the page records of a section."""
        if head.version_id != _RAM_VERSION or head.instance_id:
            raise cursor.fail(
                f"RAM of version {head.version_id}, instance {head.instance_id}; known is 4, 0"
            )
        if kind == wire.SECTION_START:
            self._set_page_size(cursor)
            start = cursor.at
            word = cursor.u64("size of RAM")
            flags = word & (self.blocks.page_size - 1)
            if flags != wire.RAM_SAVE_FLAG_MEM_SIZE:
                raise cursor.fail(f"word {word:#x} where the size of RAM belongs", at=start)
            if self.most_ram_bytes is not None and word - flags > self.most_ram_bytes:
                raise cursor.fail(
                    f"RAM of {word - flags} B, allowed {self.most_ram_bytes} B",
                    "raise the memory limit if that guest is meant",
                    at=start,
                )
            advised = self._advised[0]
            read_blocks(cursor, word - flags, self.blocks, self.configuration, advised)

    def _set_page_size(self, cursor: Cursor) -> None:
        bits = self.configuration.page_bits
        described = self.description.page_size if self.description else None
        told = [1 << bits if bits else None, described, self._advised[1]]
        size = next((value for value in told if value is not None), wire.PAGE_BYTES)
        if size not in wire.PAGE_SIZES:
            raise cursor.fail(f"pages of {size!r} B, allowed are {wire.PAGE_SIZES}")
        self.blocks.page_size = int(size)

    def _body(self, cursor: Cursor, head: Head, ending: Ending) -> None:
        """Step over a body: by its description, by its own marks, or to its footer."""
        if head.name == "dirty-bitmap":
            read_dirty_bitmap(cursor)
            return
        if head.section_id in self._started and head.name.endswith("/vfio") and read_vfio(cursor):
            return
        told = None
        if self.description is not None:
            told = self.description.body_bytes(head.name, head.instance_id)
        if told is not None:
            at = cursor.at + told
            footer = bytes([wire.SECTION_FOOTER]) + head.section_id.to_bytes(4, "big")
            if cursor.data[at : min(at + len(footer), cursor.end)] == footer:
                cursor.at = at
                return
        self._to_footer(cursor, head, ending)

    def _to_footer(self, cursor: Cursor, head: Head, ending: Ending) -> None:
        find_footer(cursor, head.section_id, ending)
