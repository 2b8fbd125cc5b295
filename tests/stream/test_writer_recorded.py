"""What QEMU wrote, read into records and written again, is the same bytes.

Not kept by the reader, and taken from the recording here: the bodies of devices and the text that
describes them, the uuid in the hello of a multifd channel, and where in a section of RAM the word
that flushes multifd stands (always right before its end in these recordings).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from migkit.frame_rows import frame_rows
from migkit.stream import Stream, writer, writing_messages, writing_packets
from migkit.stream.mapped_ram import present_pages
from migkit.stream.writing_mapped_ram import write_block_list, write_pages
from migkit.stream.writing_pages import PageWriter
from stream.recorded import main, named, others, return_path, stream

Row = dict[str, Any]
ON_ONE_CHANNEL = ("file", "tcp", "xbzrle", "postcopy", "postcopy-preempt", "multifd")


class Memory:
    """The contents of every page as they were sent last."""

    def __init__(self, found: Stream) -> None:
        self.size = found.page_size
        self.blocks = found.ram_blocks
        self.bytes = {b.name: bytearray(b.used_length) for b in self.blocks}
        self.first = np.array([b.first_page for b in self.blocks])

    def place(self, page: int) -> tuple[str, int]:
        number = int(np.searchsorted(self.first, page, side="right")) - 1
        return self.blocks[number].name, page - int(self.first[number])

    def put(self, block: str, page: int, contents: bytes) -> None:
        self.bytes[block][page * self.size : (page + 1) * self.size] = contents


def pages_of(found: Stream, channel: str) -> dict[int, list[Row]]:
    """Return the pages of a channel by record, each with what its record carried."""
    frame = found.pages
    rows = frame_rows(frame[frame["channel"] == channel])
    return {record: list(group) for record, group in groupby(rows, key=lambda r: r["record"])}


def runs(rows: list[Row], memory: Memory) -> Iterator[list[Row]]:
    """Split where the block changes, a page does not lie behind the one before, or xbzrle."""
    run: list[Row] = []
    for row in rows:
        block, page = memory.place(row["page"])
        fresh = run and (block != run[-1]["block"] or page <= run[-1]["within"])
        if fresh or (run and "xbzrle" in (row["kind"], run[-1]["kind"])):
            yield run
            run = []
        run.append(row | {"block": block, "within": page})
    if run:
        yield run


def page_records(rows: list[Row], data: bytes, memory: Memory, pages: PageWriter) -> bytes:
    written = b""
    for run in runs(rows, memory):
        block = run[0]["block"]
        named_bytes = 0 if pages.block == block else 1 + len(block)
        if run[0]["kind"] == "xbzrle":
            at = run[0]["offset"] + 8 + named_bytes
            length = int.from_bytes(data[at + 1 : at + 3], "big")
            written += pages.difference(block, run[0]["within"], data[at + 3 : at + 3 + length])
            continue
        for row in run:
            if row["kind"] == "normal":
                at = row["offset"] + 8 + (named_bytes if row is run[0] else 0)
                memory.put(block, row["within"], data[at : at + memory.size])
        numbers = np.array([row["within"] for row in run])
        zero = np.array([row["kind"] == "zero" for row in run])
        parts = pages.records(block, numbers, zero, memoryview(memory.bytes[block]))
        written += b"".join(parts)
    return written


class Rewriting:
    """Writes a main stream from its records."""

    def __init__(self, found: Stream, data: bytes) -> None:
        self.found, self.data = found, data
        self.memory = Memory(found)
        self.pages = PageWriter(found.page_size)
        self.sent = pages_of(found, "main")
        self.devices = iter(found.devices)
        self.discards = frame_rows(found.discards)

    def all(self) -> bytes:
        written, package, left = b"", b"", None
        for number, row in enumerate(frame_rows(self.found.records)):
            if left is not None and not row["in_package"]:
                written += writer.packaged(package)
                assert len(package) == left
                left = None
                self.pages.forget_block()
            if row["name"] == "PACKAGED":
                left = row["value"]
            elif row["in_package"]:
                package += self.record(number, row)
            else:
                written += self.record(number, row)
        return written

    def record(self, number: int, row: Row) -> bytes:
        kind = row["kind"]
        if kind == "configuration":
            return writer.header(self.found.configuration)
        if kind == "command":
            return self.command(row)
        if kind == "eof":
            return writer.EOF
        if kind == "vmdescription":
            return writer.description(self.data[row["offset"] + 5 :])
        section = row["section_id"]
        ids = (section, row["name"], row["instance_id"], row["version_id"])
        if kind == "full":
            device = next(self.devices)
            body = self.data[device.offset : device.offset + device.length]
            return writer.head_full(*ids) + body + writer.footer(section)
        assert row["name"] == "ram"
        body = page_records(self.sent.get(number, []), self.data, self.memory, self.pages)
        if kind == "start":
            body = writer.block_list(self.found.ram_blocks)
        heads = {"part": writer.head_part, "end": writer.head_end}
        head = writer.head_start(*ids) if kind == "start" else heads[kind](section)
        ending = writer.FLUSH * row["multifd_flushes"] + writer.EOS + writer.footer(section)
        return head + body + ending

    def command(self, row: Row) -> bytes:
        name = row["name"]
        if name == "PING":
            return writer.ping(row["value"])
        if name == "POSTCOPY_ADVISE":
            return writer.advise(row["value"] or 0, self.found.page_size)
        if name == "POSTCOPY_RAM_DISCARD":
            told = [d for d in self.discards if d["offset"] == row["offset"]]
            ranges = [(d["start"], d["length"]) for d in told]
            return b"".join(writer.discards(told[0]["block"], ranges))
        return writer.command(name)


@pytest.mark.parametrize("name", named(*ON_ONE_CHANNEL))
def test_a_main_stream_is_written_again_byte_for_byte(name: str) -> None:
    assert Rewriting(stream(name), main(name)).all() == main(name)


@pytest.mark.parametrize("name", named("multifd"))
def test_multifd_channels_are_written_again(name: str) -> None:
    found, channels = stream(name), others(name)
    memory, packets = Memory(found), writing_packets.PacketWriter(found.page_size)
    sent = iter(frame_rows(found.pages[found.pages["channel"] == "multifd"]))
    by_number = sorted(frame_rows(found.packets), key=lambda row: row["packet_num"])
    written = {data[24]: [writing_packets.hello(data[24], data[8:24])] for data in channels}
    originals = {data[24]: data for data in channels}
    for row in by_number:
        out, data = written[row["channel_id"]], originals[row["channel_id"]]
        if row["kind"] == "sync":
            out.append(packets.sync(row["packet_num"]))
            continue
        count = row["normal_pages"] + row["zero_pages"]
        numbers = [memory.place(next(sent)["page"]) for _ in range(count)]
        at = row["offset"] + 1344
        for _, page in numbers[: row["normal_pages"]]:
            memory.put(row["name"], page, data[at : at + memory.size])
            at += memory.size
        whole = np.array([page for _, page in numbers])
        view = memoryview(memory.bytes[row["name"]])
        parts = packets.packet(row["packet_num"], row["name"], whole, row["normal_pages"], view)
        out.append(b"".join(parts))
    # Packets of one channel lie in it in the order of their numbers.
    assert {channel: b"".join(parts) for channel, parts in written.items()} == originals


@pytest.mark.parametrize("name", named("postcopy", "postcopy-preempt", "tcp", "multifd"))
def test_a_return_path_is_written_again(name: str) -> None:
    requests, written = writing_messages.RequestWriter(), b""
    for row in frame_rows(stream(name).messages):
        if row["name"] in {"REQ_PAGES", "REQ_PAGES_ID"}:
            written += requests.request(row["block"], row["start"], row["length"])
        else:
            value = b"" if row["value"] is None else row["value"].to_bytes(4, "big")
            written += writing_messages.message(row["name"], value)
    assert written == return_path(name)


@pytest.mark.parametrize("name", named("mapped-ram"))
def test_a_mapped_ram_file_is_written_again(name: str) -> None:
    found, data = stream(name), main(name)
    rewriting, file = Rewriting(found, data), io.BytesIO()
    for number, row in enumerate(frame_rows(found.records)):
        if row["kind"] != "start":
            file.write(rewriting.record(number, row))
            continue
        file.write(writer.head_start(row["section_id"], row["name"], 0, row["version_id"]))
        places = write_block_list(file, found.ram_blocks, found.page_size)
        assert places == list(found.ram_blocks)
        file.write(writer.EOS + writer.footer(row["section_id"]))
    for block in found.ram_blocks:
        memory = data[block.pages_offset : block.pages_offset + block.used_length]
        zero = np.ones(block.used_length // found.page_size, bool)
        zero[present_pages(data, block, found.page_size)] = False
        write_pages(file, block, memoryview(memory), zero, found.page_size)
    assert file.getvalue() == data
