"""Streams put together byte by byte from QEMU's formats, as an independent writer would."""

import json
import struct
from collections.abc import Iterable

PAGE = 4096
EOS = struct.pack(">Q", 0x10)
HEADER = bytes.fromhex("5145564d 00000003 07 00000004 6e6f6e65")


def counted(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def footer(section: int) -> bytes:
    return b"\x7e" + struct.pack(">I", section)


def start(blocks: dict[str, int], section: int = 1) -> bytes:
    """Return the first section of RAM."""
    head = b"\x01" + struct.pack(">I", section) + counted("ram") + struct.pack(">II", 0, 4)
    listed = b"".join(counted(n) + struct.pack(">Q", size) for n, size in blocks.items())
    return head + struct.pack(">Q", sum(blocks.values()) | 0x4) + listed + EOS + footer(section)


def part(body: bytes, section: int = 1) -> bytes:
    return b"\x02" + struct.pack(">I", section) + body + EOS + footer(section)


def end(body: bytes, section: int = 1) -> bytes:
    return b"\x03" + struct.pack(">I", section) + body + EOS + footer(section)


def full(name: str, body: bytes, section: int, instance: int = 0) -> bytes:
    head = b"\x04" + struct.pack(">I", section) + counted(name) + struct.pack(">II", instance, 1)
    return head + body + footer(section)


def command(number: int, payload: bytes = b"") -> bytes:
    return b"\x08" + struct.pack(">HH", number, len(payload)) + payload


def normal(page: int, block: str | None = None, fill: int = 0xAA) -> bytes:
    return _head(page, 0x08, block) + bytes([fill]) * PAGE


def zero(page: int, block: str | None = None) -> bytes:
    return _head(page, 0x02, block) + b"\0"


def xbzrle(page: int, difference: bytes, block: str | None = None) -> bytes:
    return _head(page, 0x40, block) + b"\x01" + struct.pack(">H", len(difference)) + difference


def _head(page: int, flag: int, block: str | None) -> bytes:
    if block is None:
        return struct.pack(">Q", page * PAGE | flag | 0x20)
    return struct.pack(">Q", page * PAGE | flag) + counted(block)


def description(devices: Iterable[dict[str, object]]) -> bytes:
    text = json.dumps({"configuration": {}, "page_size": PAGE, "devices": list(devices)}).encode()
    return b"\x06" + struct.pack(">I", len(text)) + text
