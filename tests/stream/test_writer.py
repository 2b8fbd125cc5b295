"""What the writer writes, the reader reads back; known bytes come from QEMU's formats."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from migkit._engine import xbzrle
from migkit.errors import InputError
from migkit.frame_rows import frame_rows
from migkit.stream import read_stream, writer, writing_messages, writing_packets
from migkit.stream.blocks import Block
from migkit.stream.configuration import Configuration
from migkit.stream.writing_mapped_ram import bitmap_of, write_block_list, write_pages
from migkit.stream.writing_pages import PageWriter

SIZE = 4096
PAGES = {"pc.ram": 90, "rom": 20}
BLOCKS = (Block("pc.ram", 90 * SIZE, 0), Block("rom", 20 * SIZE, 90))
RAM = (2, "ram", 0, 4)
MEMORY = {
    name: memoryview(np.random.default_rng(count).bytes(count * SIZE))
    for name, count in PAGES.items()
}
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


def opened(configuration: Configuration | None = None) -> bytes:
    head = writer.header(configuration or Configuration("none"))
    listed = writer.block_list(BLOCKS)
    return head + writer.head_start(*RAM) + listed + writer.EOS + writer.footer(2)


def part(body: bytes) -> bytes:
    return writer.head_part(2) + body + writer.EOS + writer.footer(2)


def ended(body: bytes = b"") -> bytes:
    return writer.head_end(2) + body + writer.EOS + writer.footer(2) + writer.EOF


@st.composite
def page_runs(draw: st.DrawFn) -> list[tuple[str, list[int], list[bool]]]:
    """Draw runs of pages of one block, zero or not; a page may come more than once."""
    runs = []
    for _ in range(draw(st.integers(0, 5))):
        block = draw(st.sampled_from(sorted(PAGES)))
        pages = draw(st.lists(st.integers(0, PAGES[block] - 1), min_size=0, max_size=80))
        zero = draw(st.lists(st.booleans(), min_size=len(pages), max_size=len(pages)))
        runs.append((block, pages, zero))
    return runs


@given(st.lists(page_runs(), min_size=1, max_size=3))
def test_page_records_are_read_back_with_their_contents(
    sections: list[list[tuple[str, list[int], list[bool]]]],
) -> None:
    pages, data, sent = PageWriter(SIZE), opened(), []
    for number, runs in enumerate(sections):
        body = b""
        for block, listed, zero in runs:
            view = pages.records(
                block, np.array(listed, np.int64), np.array(zero, bool), MEMORY[block]
            )
            body += b"".join(view)
            first = 0 if block == "pc.ram" else 90
            kinds = ["zero" if z else "normal" for z in zero]
            sent += [(p + first, k, number) for p, k in zip(listed, kinds, strict=True)]
        data += part(body)
    read = read_stream(data + ended())
    told = frame_rows(read.pages)
    assert [(row["page"], row["kind"], row["record"] - 2) for row in told] == sent
    for row in told:
        if row["kind"] != "normal":
            continue
        name, page = ("rom", row["page"] - 90) if row["page"] >= 90 else ("pc.ram", row["page"])
        head = 8 if data[row["offset"] + 7] & 0x20 else 9 + len(name)
        contents = data[row["offset"] + head : row["offset"] + head + SIZE]
        assert contents == MEMORY[name][page * SIZE : (page + 1) * SIZE]


def test_only_the_first_page_of_a_block_names_it() -> None:
    pages = PageWriter(SIZE)
    one, none = np.array([1]), np.array([True])
    first = b"".join(pages.records("rom", one, none, MEMORY["rom"]))
    again = b"".join(pages.records("rom", one, none, MEMORY["rom"]))
    assert (first.hex(), again.hex()) == ("000000000000100203726f6d00", "000000000000102200")
    pages.forget_block()
    assert b"".join(pages.records("rom", one, none, MEMORY["rom"])) == first


def test_pages_are_referred_to_not_copied() -> None:
    memory = bytearray(SIZE)
    parts = PageWriter(SIZE).records("m", np.array([0]), np.array([False]), memoryview(memory))
    memory[0] = 7
    assert b"".join(parts)[10] == 7


@given(st.binary(min_size=64, max_size=64), st.integers(0, 4000))
def test_differences_are_read_back_and_decode(change: bytes, at: int) -> None:
    old = bytes(MEMORY["rom"][:SIZE])
    new = (old[:at] + change + old[at + 64 :])[:SIZE]
    encoded = xbzrle.encode(old, new, SIZE)
    if not encoded:  # nothing changed, or it does not pay
        return
    record = PageWriter(SIZE).difference("rom", 3, encoded)
    data = opened() + part(record) + ended()
    (page,) = frame_rows(read_stream(data).pages)
    assert (page["page"], page["kind"]) == (93, "xbzrle")
    assert xbzrle.decode(record[12 + 3 :], old) == new
    assert int.from_bytes(record[13:15], "big") == len(encoded)


@given(
    names,
    st.one_of(st.none(), st.integers(10, 16)),
    st.lists(names, max_size=3),
    st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(bytes.hex)),
)
def test_a_configuration_is_read_back(
    machine: str, bits: int | None, capabilities: list[str], uuid: str
) -> None:
    configuration = Configuration(machine, bits, tuple(capabilities), uuid)
    read = read_stream(writer.header(configuration) + writer.EOF)
    assert read.configuration == configuration


def test_without_a_configuration_the_head_has_8_bytes() -> None:
    assert writer.header(None).hex() == "5145564d00000003"


@given(st.lists(st.tuples(st.integers(0, 89), st.integers(1, 90)), max_size=40))
def test_discards_are_read_back_twelve_a_command(ranges: list[tuple[int, int]]) -> None:
    wanted = [(start * SIZE, count * SIZE) for start, count in ranges]
    commands = writer.discards("pc.ram", wanted)
    assert len(commands) == -(-len(ranges) // 12)
    read = read_stream(opened() + b"".join(commands) + ended())
    told = [(row["block"], row["start"], row["length"]) for row in frame_rows(read.discards)]
    assert told == [("pc.ram", *item) for item in wanted]


def test_a_package_is_read_back() -> None:
    timer = writer.head_full(0, "timer", 0, 2) + bytes(24) + writer.footer(0)
    inside = writer.command("POSTCOPY_LISTEN") + timer + writer.ping(3)
    inside += writer.command("POSTCOPY_RUN")
    data = opened() + writer.ping(2) + writer.packaged(inside) + writer.ping(4) + ended()
    rows = [r for r in frame_rows(read_stream(data).records) if r["kind"] in {"command", "full"}]
    assert [(row["name"], row["value"], row["in_package"]) for row in rows] == [
        ("PING", 2, False),
        ("PACKAGED", len(inside), False),
        ("POSTCOPY_LISTEN", None, True),
        ("timer", None, True),
        ("PING", 3, True),
        ("POSTCOPY_RUN", None, True),
        ("PING", 4, False),
    ]


def test_advise_tells_page_sizes_or_nothing() -> None:
    assert writer.advise(SIZE, SIZE).hex() == "0800030010" + 2 * "0000000000001000"
    assert writer.advise(0, SIZE).hex() == "0800030000"


def test_a_name_too_long_for_its_byte_is_refused() -> None:
    with pytest.raises(InputError, match=r"allowed 1\.\.255 ASCII characters"):
        writer.counted("x" * 256)


@pytest.mark.parametrize("method", writing_packets.METHODS)
def test_packets_are_read_back_and_unpack(method: str) -> None:
    packets = writing_packets.PacketWriter(SIZE, method)
    listed, zero = np.array([5, 3, 9]), np.array([7])
    pages = np.concatenate([listed, zero])
    data = writing_packets.hello(4)
    payloads = []
    for number in range(2):
        head, *payload = packets.packet(number, "pc.ram", pages, 3, MEMORY["pc.ram"])
        payloads.append(b"".join(payload))
        data += bytes(head) + payloads[-1]
    data += packets.sync(2)
    read = read_stream(opened() + ended(), channels=[data])
    told = [
        (r["channel_id"], r["packet_num"], r["kind"], r["normal_pages"], r["zero_pages"])
        for r in frame_rows(read.packets)
    ]
    assert told == [(4, 0, "pages", 3, 1), (4, 1, "pages", 3, 1), (4, 2, "sync", 0, 0)]
    # The two packets have the same pages and follow each other in time, so the order is told.
    assert read.pages["page"].tolist() == 2 * pages.tolist()
    wanted = 2 * b"".join(MEMORY["pc.ram"][p * SIZE : (p + 1) * SIZE] for p in listed.tolist())
    assert unpacked(method, payloads) == wanted


def unpacked(method: str, payloads: list[bytes]) -> bytes:
    """Unpack packets as QEMU does: as they come, each as soon as it is there."""
    stream: Any = {
        "none": None,
        "zlib": zlib.decompressobj(),
        "zstd": zstandard.ZstdDecompressor().decompressobj(),
    }[method]
    found = [stream.decompress(p) if stream else p for p in payloads]
    assert [len(part) for part in found] == [3 * SIZE, 3 * SIZE]
    return b"".join(found)


def test_a_packet_of_zero_pages_has_no_payload() -> None:
    packets = writing_packets.PacketWriter(SIZE, "zlib")
    parts = packets.packet(0, "rom", np.arange(4), 0, MEMORY["rom"])
    assert [len(part) for part in parts] == [1344]


def test_a_method_without_library_is_refused() -> None:
    with pytest.raises(InputError, match="multifd-compression qpl"):
        writing_packets.PacketWriter(SIZE, "qpl")


def test_device_state_is_read_back() -> None:
    data = writing_packets.hello(0) + writing_packets.device_packet("0000:00/vfio", 1, b"state")
    (row,) = frame_rows(read_stream(opened() + ended(), channels=[data]).packets)
    assert (row["kind"], row["name"], row["bytes"]) == ("device-state", "0000:00/vfio", 281)


@given(
    st.lists(st.tuples(st.sampled_from(["pc.ram", "rom"]), st.integers(0, 1 << 50)), max_size=20)
)
def test_requests_are_read_back(requests: list[tuple[str, int]]) -> None:
    requesting = writing_messages.RequestWriter()
    data = writing_messages.pong(0x42)
    data += b"".join(requesting.request(block, start, SIZE) for block, start in requests)
    data += writing_messages.resume_ack() + writing_messages.shut(1)
    read = frame_rows(read_stream(writer.header(None) + writer.EOF, return_path=data).messages)
    told = [(row["name"], row["value"]) for row in read if row["value"] is not None]
    assert told == [("PONG", 0x42), ("RESUME_ACK", 1), ("SHUT", 1)]
    asked = [row for row in read if row["name"].startswith("REQ_PAGES")]
    assert [(row["block"], row["start"], row["length"]) for row in asked] == [
        (*item, SIZE) for item in requests
    ]
    named = [row["name"] == "REQ_PAGES_ID" for row in asked]
    blocks = [None, *(block for block, _ in requests)]
    assert named == [block != before for block, before in zip(blocks[1:], blocks, strict=False)]


def test_a_received_bitmap_is_whole_words_with_an_end_mark() -> None:
    received = np.zeros(70, bool)
    received[[0, 9, 69]] = True
    data = writing_messages.received_bitmap("rom", received)
    assert data.hex() == (
        "00050004" + "03726f6d" + "0000000000000010" + "0102000000000000" + "2000000000000000"
        "0123456789abcdef"
    )


@given(st.lists(st.booleans(), min_size=90, max_size=90))
def test_a_mapped_ram_file_is_read_back(zero: list[bool]) -> None:
    file = io.BytesIO()
    configuration = Configuration("none", capabilities=("mapped-ram",))
    file.write(writer.header(configuration) + writer.head_start(*RAM))
    first, second = write_block_list(file, BLOCKS, SIZE)
    file.write(writer.EOS + writer.footer(2) + ended())
    write_pages(file, first, MEMORY["pc.ram"], np.array(zero), SIZE)
    data = file.getvalue()
    read = read_stream(data)
    assert read.ram_blocks == (first, second)
    present = read.page_map("pc.ram").index.tolist()
    assert present == [page for page, empty in enumerate(zero) if not empty]
    for page in present:
        at = (first.pages_offset or 0) + page * SIZE
        assert data[at : at + SIZE] == MEMORY["pc.ram"][page * SIZE : (page + 1) * SIZE]
    assert (first.pages_offset or 0) % (1 << 20) == 0
    assert len(bitmap_of(np.ones(65, bool))) == 16
