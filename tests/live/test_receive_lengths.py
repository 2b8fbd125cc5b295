"""Every length that a source tells: what is absurd is refused before anything is held for it."""

import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from channels.test_transports import socket_pair
from live.receive_peer import receive_channels
from migkit.live import Reception
from migkit.live.channel_cursor import ChannelCursor
from migkit.live.watch import Watch
from migkit.stream import wire, writer
from migkit.stream.blocks import Blocks
from migkit.stream.configuration import Configuration
from migkit.stream.multifd import read_packet
from migkit.stream.writing_packets import hello

HEAD = writer.header(Configuration(machine="none"))
RAM = writer.head_start(1, "ram", 0, 4)
MIB = 1 << 20
LIMIT = 64 * MIB
NAME = b"\x06pc.ram"


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def blocks(total: int, *entries: bytes) -> bytes:
    return HEAD + RAM + u64(total | wire.RAM_SAVE_FLAG_MEM_SIZE) + b"".join(entries)


PAGES = blocks(16 * MIB, NAME + u64(16 * MIB)) + u64(wire.RAM_SAVE_FLAG_EOS) + writer.footer(1)
PART = PAGES + writer.head_part(1)
DEVICE = PAGES + writer.head_full(2, "dev", 0, 1)
XBZRLE = u64(wire.RAM_SAVE_FLAG_XBZRLE) + NAME
LIES = {
    "machine's name": (b"QEVM\0\0\0\3\7" + u32(0xFFFFFFFF), "a machine's name of 4294967295 B"),
    "capabilities": (
        HEAD + b"\5\x1aconfiguration/capabilities" + u32(1) + u32(1 << 31),
        "2147483648 capabilities",
    ),
    "RAM": (blocks(LIMIT + 4096), f"RAM of {LIMIT + 4096} B, allowed {LIMIT} B"),
    "RAM of 16 EiB": (blocks(0xFFFF_FFFF_FFFF_F000), "allowed 67108864 B"),
    "a block": (blocks(MIB, NAME + u64(1 << 62)), "1048576 B of RAM are left"),
    "a block of half a page": (blocks(MIB, NAME + u64(100)), "not whole pages of 4096 B"),
    "a block twice": (blocks(2 * MIB, *[NAME + u64(MIB)] * 2), "block pc.ram a second time"),
    "a block without a name": (blocks(MIB, b"\0" + u64(MIB)), "no printable name"),
    "a block's name": (blocks(MIB, b"\xff" + b"\xfe" * 255), "no printable name"),
    "blocks without end": (
        blocks(MIB, *(b"\5%05d" % n + u64(0) for n in range(10_001))),
        "more than 10000 blocks",
    ),
    "a page outside": (PART + u64(16 * MIB | wire.RAM_SAVE_FLAG_PAGE) + NAME, "outside block"),
    "a page far outside": (PART + u64(0x00FF << 48 | wire.RAM_SAVE_FLAG_PAGE) + NAME, "outside"),
    "a page of no block": (PART + u64(wire.RAM_SAVE_FLAG_PAGE) + b"\xff" * 256, "not announce"),
    "xbzrle": (PART + XBZRLE + b"\1\xff\xff", "xbzrle encoding 1 of 65535 B"),
    "a run of xbzrle": (
        PART + XBZRLE + b"\1\0\x06" + b"\xff\xff\xff\x7f\xff\x7f" + u64(wire.RAM_SAVE_FLAG_EOS),
        "xbzrle page",
    ),
    "a package": (
        PAGES + writer.command("PACKAGED", u32(0xFFFFFFFF))[:9],
        "package of 4294967295 B, allowed 268435456 B",
    ),
    "a payload": (PAGES + b"\x08\0\2\xff\xff", "a payload of 65535 B, allowed"),
    "a discard": (
        PAGES + writer.discards("pc.ram", [(0, 1 << 62)])[0],
        "POSTCOPY_RAM_DISCARD",
    ),
    "a discard that wraps": (
        PAGES + writer.discards("pc.ram", [(0xFFFF_FFFF_FFFF_F000, 0x2000)])[0],
        "POSTCOPY_RAM_DISCARD",
    ),
    "a bitmap's block": (PAGES + writer.recv_bitmap("x" * 200), "block 'xxxx"),
    "dirty bitmap": (
        PAGES + writer.head_start(3, "dirty-bitmap", 0, 1) + b"\x40" + bytes(12) + u64(1 << 60),
        f"bits of {1 << 60} B, allowed 268435456 B",
    ),
    "vfio": (
        PAGES + writer.head_start(3, "0000:00:01.0/vfio", 0, 1)
        + u64(0xFFFFFFFFEF100004) + u64(1 << 60),
        "allowed 268435456 B",
    ),
    "description": (PAGES + b"\0\x06" + u32(0xFFFFFFFF), "description of devices of 4294967295 B"),
}  # fmt: skip


def fails(found: Reception, told: str) -> None:
    assert found.outcome == "failed"
    assert told in found.error
    assert "\n" not in found.error
    assert found.bytes_received < 2 * MIB


@pytest.mark.parametrize("lie", LIES)
def test_a_length_that_is_a_lie(lie: str) -> None:
    data, told = LIES[lie]
    tracemalloc.start()
    found, _ = receive_channels(data, end=True, most_ram_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fails(found, told)
    assert peak < 32 * MIB


@pytest.mark.parametrize("announced", [1 << 46, 1 << 60])
def test_ram_that_no_machine_has_is_said(announced: int) -> None:
    """The limit was raised beyond all reason."""
    data = blocks(announced, NAME + u64(announced)) + u64(wire.RAM_SAVE_FLAG_EOS)
    found, _ = receive_channels(data + writer.footer(1), end=True, most_ram_bytes=1 << 62)
    fails(found, "this machine cannot reserve it")


def sized(normal: int, zero: int, payload: int, flags: int = 0, name: bytes = b"pc.ram") -> bytes:
    """Write a packet's header, true or not."""
    head = struct.pack(
        ">IIIIIIQI28x256s", wire.MULTIFD_MAGIC, 1, flags, 128, normal, payload, 1, zero, name
    )
    return head + bytes(8 * 128)


PACKETS = {
    "pages": (sized(0xFFFFFFFF, 0, 0), "4294967295 + 0 pages, allowed 128"),
    "zero pages": (sized(100, 29, 0), "100 + 29 pages, allowed 128"),
    "payload": (sized(1, 0, 0xFFFFFFFF), "allowed 128"),
    "payload of one page": (sized(1, 0, 8192), "8192 B of payload for 1 pages"),
    "zlib": (sized(1, 0, 1048577, 2), "allowed 128"),
    "block": (sized(1, 0, 4096, name=b"x" * 256) + bytes(4096), "not announced"),
}


@pytest.mark.parametrize("lie", PACKETS)
def test_a_packet_that_lies(lie: str) -> None:
    data, told = PACKETS[lie]
    main = PAGES[: -len(writer.footer(1)) - 8] + u64(wire.RAM_SAVE_FLAG_MULTIFD_FLUSH)
    others = [hello(0) + data]
    found, _ = receive_channels(main, others, most_ram_bytes=LIMIT, multifd_channels=1)
    fails(found, told)


def pulled(data: bytes, read: Callable[[ChannelCursor], object], size: int) -> ChannelCursor:
    """Read from a channel that brings this and then ends."""
    import threading

    one, other = socket_pair()
    writing = threading.Thread(target=lambda: (one.write(data), one.close()))
    writing.start()
    cursor = ChannelCursor(other, Watch(None, other.shutdown), size)
    read(cursor)
    writing.join(60)
    other.close()
    return cursor


def test_device_state_on_multifd_is_passed_over_and_not_held() -> None:
    size = 24 * MIB
    head = struct.pack(">III256sII", wire.MULTIFD_MAGIC, 1, 0x40, b"dev", 0, size)
    known = Blocks(4096)
    cursor = pulled(
        head + bytes(size) + head[:-4] + u32(0),
        lambda at: [read_packet(at, 0, known), read_packet(at, 0, known)],
        2 * MIB,
    )
    assert len(cursor.data) == 2 * MIB
    assert cursor.place == 2 * len(head) + size
    assert cursor.left == 0


def test_a_buffer_grows_with_what_came_and_not_with_what_was_told() -> None:
    def read(cursor: ChannelCursor) -> None:
        with pytest.raises(Exception, match="package needs 200000000 B and the channel ended"):
            cursor.need(200_000_000, "package")

    cursor = pulled(bytes(3 * MIB), read, 4096)
    assert len(cursor.data) <= 6 * MIB


def test_a_device_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.live.channel_cursor.MOST_RECORD_BYTES", MIB)
    found, _ = receive_channels(DEVICE + bytes(3 * MIB), most_ram_bytes=LIMIT)
    assert f"more than {MIB} B without an end" in found.error


def test_much_state_of_devices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.live.sections.MOST_BYTES", 1000)
    many = b"".join(
        writer.head_full(n, "dev", n, 1) + bytes(300) + writer.footer(n) for n in range(2, 8)
    )
    found, _ = receive_channels(PAGES + many + writer.EOF, most_ram_bytes=LIMIT)
    assert "more than 1000 B of device state" in found.error


def test_a_long_description_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.live.obeying.MOST_VMDESC_BYTES", 100)
    said: list[str] = []
    text = b'{"devices":[' + b" " * 100 + b"]}"
    stream = PAGES + writer.EOF + writer.description(text)
    found, _ = receive_channels(stream, most_ram_bytes=LIMIT, warn=said.append)
    assert (found.outcome, found.description) == ("completed", b"")
    assert "a description of devices of 114 B is left out, allowed 100 B" in said


def test_pages_that_were_announced_take_no_room_before_they_come() -> None:
    """A limit of 1 TiB: what is announced is mapped, and nothing of it is touched."""
    announced = 1 << 36
    data = blocks(announced, NAME + u64(announced)) + u64(wire.RAM_SAVE_FLAG_EOS)
    data += writer.footer(1) + writer.EOF
    before = _resident()
    found, _ = receive_channels(data, end=True, most_ram_bytes=1 << 40)
    if found.outcome == "completed":
        assert _resident() - before < 256 * MIB
        assert not np.frombuffer(found.ram("pc.ram")[:4096], np.uint8).any()
    else:
        assert "this machine cannot reserve it" in found.error


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096
