"""Channels beside the main stream, other handlers, recovery: byte by byte from QEMU's formats."""

import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from migkit.errors import StreamError
from migkit.stream import read_stream
from stream import recorded
from stream.composed import (
    EOS,
    HEADER,
    PAGE,
    command,
    counted,
    end,
    footer,
    full,
    normal,
    part,
    start,
    zero,
)

RAM = start({"ram": 400 * PAGE, "rom": 4 * PAGE})


def hello(channel: int) -> bytes:
    return struct.pack(">II", 0x11223344, 1) + bytes(16) + bytes([channel]) + bytes(39)


def packet(
    number: int,
    pages: list[int],
    zeros: list[int] = [],  # noqa: B006
    *,
    flags: int = 0,
    block: str = "ram",
    payload: bytes | None = None,
) -> bytes:
    payload = bytes(PAGE) * len(pages) if payload is None else payload
    head = struct.pack(
        ">IIIIIIQI28x", 0x11223344, 1, flags, 0 if flags & 1 else 128, len(pages), len(payload),
        number, len(zeros),
    )  # fmt: skip
    offsets = np.zeros(128, ">u8")
    offsets[: len(pages) + len(zeros)] = np.array([*pages, *zeros]) * PAGE
    return head + block.encode().ljust(256, b"\0") + offsets.tobytes() + payload


def test_packets_are_ordered_by_their_number_and_rounds_by_sync() -> None:
    flush = struct.pack(">Q", 0x200)
    main = HEADER + RAM + part(b"") + end(flush) + b"\0"
    one = hello(0) + packet(0, [], flags=1) + packet(3, [1, 2], [3]) + packet(4, [], flags=1)
    two = hello(1) + packet(1, [], flags=1) + packet(2, [0], block="rom") + packet(5, [], flags=1)
    two += packet(6, [1], [2, 9], flags=4, payload=b"zstd")
    stream = read_stream(main, channels=[two, one])
    pages = stream.pages
    assert pages["page"].tolist() == [400, 1, 2, 3, 1, 2, 9]
    assert pages["round"].tolist() == [0, 0, 0, 0, 1, 1, 1]
    kinds = ["normal", "normal", "normal", "zero", "normal", "zero", "zero"]
    assert pages["kind"].tolist() == kinds
    assert set(pages["channel"]) == {"multifd"}
    assert stream.packets["method"].tolist() == ["none", "none", "none", "zstd", *["none"] * 3]
    assert stream.counters["multifd-bytes"] == len(one) + len(two) == 128 + 7 * 1344 + 3 * PAGE + 4
    assert stream.records["multifd_flushes"].tolist()[1:4] == [0, 0, 1]
    assert (stream.counters["normal"], stream.counters["duplicate"]) == (4, 3)


def test_device_state_of_multifd() -> None:
    state = struct.pack(">III256sII", 0x11223344, 1, 0x40, b"0000:00:05.0/vfio", 0, 9) + bytes(9)
    stream = read_stream(HEADER + RAM + b"\0", channels=[hello(3) + state])
    [row] = stream.packets.to_dict("records")
    assert (row["kind"], row["name"], row["bytes"]) == ("device-state", "0000:00:05.0/vfio", 285)
    assert row["channel_id"] == 3


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        (packet(0, [400]), "page at 0x190000 of block ram"),
        (packet(0, [1], block="vga"), "block 'vga'"),
        (packet(0, [1], payload=bytes(9)), "9 B of payload for 1 pages"),
        (packet(0, [1], flags=0x6), "flags 0x6"),
        (packet(0, [1])[:1343], "offsets of pages needs"),
        (b"\0" + packet(0, [1]), "magic 0x00112233"),
    ],
)
def test_a_wrong_packet_is_named(spoilt: bytes, found: str) -> None:
    with pytest.raises(StreamError, match="multifd packet") as caught:
        read_stream(HEADER + RAM + b"\0", channels=[hello(0) + spoilt])
    assert found in str(caught.value)
    assert caught.value.offset >= 64


def test_the_preempt_channel_has_pages_without_sections() -> None:
    urgent = normal(7, "ram") + normal(8) + zero(3, "rom")
    main = HEADER + RAM + part(zero(0, "ram")) + b"\0"
    for closed in (urgent, urgent + EOS):
        stream = read_stream(main, channels=[closed])
        assert stream.pages["page"].tolist() == [7, 8, 403, 0]
        assert stream.pages["channel"].tolist() == ["preempt"] * 3 + ["main"]
        assert stream.rounds["normal_pages"].tolist() == [0, 2]
        assert stream.counters["postcopy-bytes"] == len(urgent)
    with pytest.raises(StreamError, match=r"preempt · address 0x4000 outside block rom"):
        read_stream(main, channels=[normal(4, "rom")])


def test_a_recovered_connection_goes_on() -> None:
    first = HEADER + RAM + part(zero(5, "ram")) + part(normal(6))
    again = command(10, counted("ram")) + command(9) + part(zero(6, "ram")) + end(zero(7)) + b"\0"
    stream = read_stream(first[:-100], channels=[again], partial=True)
    assert stream.error is not None
    records = stream.records
    assert records["connection"].tolist() == [0] * 4 + [1] * 5
    assert records["name"].tolist()[4:6] == ["RECV_BITMAP", "POSTCOPY_RESUME"]
    # The page whose record broke off is not counted; the sweep begins anew.
    assert stream.pages["page"].tolist() == [5, 6, 7]
    assert stream.pages["round"].tolist() == [0, 1, 1]
    with pytest.raises(StreamError, match="magic"):
        read_stream(again)


def test_dirty_bitmaps_and_vfio_are_stepped_over() -> None:
    def section(kind: int, number: int, name: str, body: bytes) -> bytes:
        head = bytes([kind]) + struct.pack(">I", number)
        head += counted(name) + struct.pack(">II", 0, 1) if kind == 1 else b""
        return head + body + footer(number)

    # Contents hold footers of their own section, to be taken for nothing.
    trap = (footer(2) + b"\x08\0\1\0\0").ljust(32, b"\0")
    bitmap = b"\x1c" + counted("disk0") + counted("b") + struct.pack(">IB", 65536, 1) + b"\x01"
    bits = b"\x40" + struct.pack(">QIQ", 0, 64, 32) + trap + b"\x42" + bytes(12) + b"\x20\x01"
    tags = {name: struct.pack(">Q", 0xFFFFFFFFEF100001 + n) for n, name in enumerate("ECSD")}
    data = tags["D"] + struct.pack(">Q", 10) + footer(3) * 2 + tags["E"]
    config = tags["C"] + b"config space" + tags["E"]
    stream = read_stream(
        HEADER
        + section(1, 2, "dirty-bitmap", bitmap)
        + section(1, 3, "0000:00:05.0/vfio", tags["S"] + tags["E"])
        + section(2, 3, "", data)
        + section(3, 2, "", bits)
        + section(3, 3, "", tags["D"] + bytes(8) + tags["E"])
        + full("0000:00:05.0/vfio", config, 3 + 1)
        + b"\0"
    )
    assert stream.records["kind"].tolist() == [
        "configuration", "start", "start", "part", "end", "end", "full", "eof",
    ]  # fmt: skip
    assert stream.records["bytes"].tolist()[4] == 5 + len(bits) + 5
    with pytest.raises(StreamError, match=r"flags 0x80, no QEMU"):
        read_stream(HEADER + section(1, 2, "dirty-bitmap", b"\x80"))
    with pytest.raises(StreamError, match="tag 0x0 of VFIO"):
        read_stream(HEADER + section(1, 3, "a/vfio", bytes(8)))


def test_the_list_of_blocks_has_more_members_with_some_capabilities() -> None:
    def ram(*blocks: bytes, total: int) -> bytes:
        head = b"\1\0\0\0\1" + counted("ram") + struct.pack(">II", 0, 4)
        return head + struct.pack(">Q", total | 4) + b"".join(blocks) + EOS + footer(1)

    sizes = [counted(n) + struct.pack(">Q", s) for n, s in (("big", 4 << 20), ("rom", PAGE))]
    advise = command(3, struct.pack(">QQ", 0x201000, PAGE))
    huge = ram(sizes[0] + struct.pack(">Q", 2 << 20), sizes[1], total=(4 << 20) + PAGE)
    blocks = read_stream(HEADER + advise + huge + b"\0").blocks
    assert blocks["page_size"].fillna(0).tolist() == [2 << 20, 0]
    last = ram(sizes[1], sizes[0] + struct.pack(">Q", 2 << 20), total=(4 << 20) + PAGE)
    blocks = read_stream(HEADER + advise + last + b"\0").blocks
    assert blocks["page_size"].fillna(0).tolist() == [0, 2 << 20]
    head = HEADER + b"\5" + counted("configuration/capabilities") + bytes([0, 0, 0, 1, 0, 0, 0, 1])
    shared = ram(*(s + struct.pack(">Q", 1 << 32) for s in sizes), total=(4 << 20) + PAGE)
    stream = read_stream(head + counted("x-ignore-shared") + shared + b"\0")
    assert stream.configuration.capabilities == ("x-ignore-shared",)
    assert stream.blocks["first_page"].tolist() == [0, 1024]


def test_larger_pages_are_told_by_the_configuration() -> None:
    bits = b"\5" + counted("configuration/target-page-bits") + struct.pack(">II", 1, 16)
    ram = start({"ram": 4 << 16})
    page = struct.pack(">Q", (2 << 16) | 0x08) + counted("ram") + bytes(1 << 16)
    stream = read_stream(HEADER + bits + ram + end(page) + b"\0")
    assert stream.page_size == 1 << 16
    assert stream.pages["page"].tolist() == [2]
    with pytest.raises(StreamError, match="target-page-bits 17"):
        read_stream(HEADER + bits[:-1] + b"\x11")


REPLIES = {
    "PONG 1": bytes.fromhex("0002 0004 00000001"),
    "REQ_PAGES_ID": bytes.fromhex("0003 0010 0000000000003000 00001000 03") + b"ram",
    "REQ_PAGES": bytes.fromhex("0004 000c 0000000000005000 00002000"),
    "RECV_BITMAP": bytes.fromhex("0005 0004 03") + b"ram" + bytes.fromhex("0000000000000008")
    + bytes(8) + bytes.fromhex("0123456789abcdef"),
    "RESUME_ACK": bytes.fromhex("0006 0004 00000001"),
    "SWITCHOVER_ACK": bytes.fromhex("0007 0000"),
    "SHUT": bytes.fromhex("0001 0004 00000000"),
}  # fmt: skip


def test_every_reply_is_read() -> None:
    stream = read_stream(HEADER + b"\0", return_path=b"".join(REPLIES.values()))
    told = stream.messages
    assert told["name"].tolist() == [name.split()[0] for name in REPLIES]
    assert told["value"].fillna(-1).tolist() == [1, -1, -1, 8, 1, -1, 0]
    assert told["block"].fillna("").tolist() == ["", "ram", "ram", "ram", "", "", ""]
    assert told["start"].fillna(-1).tolist()[1:3] == [0x3000, 0x5000]
    assert told["length"].fillna(-1).tolist()[1:3] == [0x1000, 0x2000]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (bytes.fromhex("0009 0000"), "type 9"),
        (bytes.fromhex("0002 0005 0000000000"), "a length of 5 B, it has 4 B"),
        (bytes.fromhex("0003 0201"), "a length of 513 B"),
        (REPLIES["REQ_PAGES"], "the block before, and there is none"),
        (REPLIES["RECV_BITMAP"][:-1] + b"\0", "end mark"),
        (REPLIES["SHUT"][:-1], "needs 4 B and 3 B"),
    ],
)
def test_a_wrong_reply_is_named(reply: bytes, found: str) -> None:
    with pytest.raises(StreamError, match="return path message") as caught:
        read_stream(HEADER + b"\0", return_path=reply)
    assert found in str(caught.value)


def test_files_pipes_and_bytes_give_the_same(tmp_path: Path) -> None:
    data = recorded.main("10.2-file")
    wanted = recorded.stream("10.2-file").counters
    file = tmp_path / "stream.mig"
    file.write_bytes(data)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert read_stream(pipe).counters == wanted
    writer.join()
    assert read_stream(file).counters == read_stream(io.BytesIO(data)).counters == wanted
    with file.open("rb") as opened:
        assert read_stream(opened).counters == wanted
    file.write_bytes(b"x" * 4096 + data)
    assert read_stream(file, offset=4096).counters == wanted


@pytest.mark.parametrize("trailing", [0, 5])
def test_what_follows_the_end_is_told(trailing: int) -> None:
    stream = read_stream(HEADER + b"\0" + bytes(trailing))
    assert stream.trailing_bytes == trailing
    assert stream.counters["transferred"] == 18
    assert "none" in repr(stream)
    assert "<table>" in stream._repr_html_()
