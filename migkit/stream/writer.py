"""The framing of a main stream, written: head, sections, commands, the list of RAM blocks.

Each function gives bytes, as QEMU puts them on the wire. Sources: migration/savevm.c
(qemu_savevm_state_header, save_section_header, save_section_footer, qemu_savevm_command_send),
migration/ram.c (ram_save_setup), migration/postcopy-ram.c (postcopy_discard_send_range).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from migkit.errors import InputError

from . import wire
from .blocks import Block
from .configuration import Configuration

__all__ = [
    "EOF",
    "EOS",
    "FLUSH",
    "advise",
    "block_list",
    "command",
    "counted",
    "description",
    "discards",
    "footer",
    "head_end",
    "head_full",
    "head_part",
    "head_start",
    "header",
    "packaged",
    "ping",
    "recv_bitmap",
]

EOS = struct.pack(">Q", wire.RAM_SAVE_FLAG_EOS)
"""Ends a section of RAM."""
FLUSH = struct.pack(">Q", wire.RAM_SAVE_FLAG_MULTIFD_FLUSH)
"""Pairs with a SYNC packet on every multifd channel."""
EOF = bytes([wire.VM_EOF])

DISCARDS_PER_COMMAND = 12
_MOST_NAME = 255


def counted(text: str) -> bytes:
    """Write a string with its length in one byte before it.

    Parameters
    ----------
    text : str
        ASCII, 1..255 characters.

    Returns
    -------
    bytes
        Length and characters.

    Raises
    ------
    InputError
        If it is longer, empty or not ASCII.

    Examples
    --------
    >>> counted("ram").hex()
    '0372616d'
    """
    if not (text.isascii() and 0 < len(text) <= _MOST_NAME):
        raise InputError.of(
            f"name {text[:40]!r}", f"allowed 1..{_MOST_NAME} ASCII characters", "shorten it"
        )
    return bytes([len(text)]) + text.encode("ascii")


def header(configuration: Configuration | None) -> bytes:
    """Write magic, version and the configuration section.

    Parameters
    ----------
    configuration : Configuration or None
        None leaves the section out (machine property ``send-configuration`` off).

    Returns
    -------
    bytes
        The head of a stream.

    Examples
    --------
    >>> header(Configuration("none")).hex()
    '5145564d0000000307000000046e6f6e65'
    """
    head = struct.pack(">II", wire.VM_FILE_MAGIC, wire.VM_FILE_VERSION)
    if configuration is None:
        return head
    machine = configuration.machine.encode()
    parts = [head, bytes([wire.CONFIGURATION]), struct.pack(">I", len(machine)), machine]
    if configuration.page_bits is not None:
        bits = struct.pack(">I", configuration.page_bits)
        parts.append(_subsection("target-page-bits", bits))
    if configuration.capabilities:
        names = b"".join(counted(name) for name in configuration.capabilities)
        count = struct.pack(">I", len(configuration.capabilities))
        parts.append(_subsection("capabilities", count + names))
    if configuration.uuid:
        parts.append(_subsection("uuid", bytes.fromhex(configuration.uuid)))
    return b"".join(parts)


def _subsection(name: str, body: bytes) -> bytes:
    named = counted("configuration/" + name)
    return bytes([wire.SUBSECTION]) + named + struct.pack(">I", 1) + body


def head_start(section_id: int, name: str, instance_id: int, version_id: int) -> bytes:
    """Write the head of a handler's first section."""
    return _named(wire.SECTION_START, section_id, name, instance_id, version_id)


def head_full(section_id: int, name: str, instance_id: int, version_id: int) -> bytes:
    """Write the head of a device's section."""
    return _named(wire.SECTION_FULL, section_id, name, instance_id, version_id)


def _named(kind: int, section_id: int, name: str, instance_id: int, version_id: int) -> bytes:
    ids = struct.pack(">II", instance_id, version_id)
    return struct.pack(">BI", kind, section_id) + counted(name) + ids


def head_part(section_id: int) -> bytes:
    """Write the head of one pass of a handler."""
    return struct.pack(">BI", wire.SECTION_PART, section_id)


def head_end(section_id: int) -> bytes:
    """Write the head of a handler's last section."""
    return struct.pack(">BI", wire.SECTION_END, section_id)


def footer(section_id: int) -> bytes:
    """Write what ends every section."""
    return struct.pack(">BI", wire.SECTION_FOOTER, section_id)


def command(name: str, payload: bytes = b"") -> bytes:
    """Write a command.

    Parameters
    ----------
    name : str
        One of `wire.COMMANDS`.
    payload : bytes
        What it carries.

    Returns
    -------
    bytes
        The record; for PACKAGED without the package, see `packaged`.

    Examples
    --------
    >>> command("SWITCHOVER_START").hex()
    '08000b0000'
    """
    number = wire.COMMANDS.index(name)
    return struct.pack(">BHH", wire.COMMAND, number, len(payload)) + payload


def ping(value: int) -> bytes:
    """Write a PING: the destination answers PONG with the same value."""
    return command("PING", struct.pack(">I", value))


def advise(host_page_sizes: int, page_size: int) -> bytes:
    """Write POSTCOPY_ADVISE.

    Parameters
    ----------
    host_page_sizes : int
        Host page sizes of all RAM blocks, or-ed; 0 where only dirty bitmaps go by postcopy.
    page_size : int
        Bytes of a target page.

    Returns
    -------
    bytes
        The command.
    """
    sizes = struct.pack(">QQ", host_page_sizes, page_size) if host_page_sizes else b""
    return command("POSTCOPY_ADVISE", sizes)


def packaged(package: bytes) -> bytes:
    """Write PACKAGED and the package: whole records, without an end-of-file byte."""
    return command("PACKAGED", struct.pack(">I", len(package))) + package


def recv_bitmap(block: str) -> bytes:
    """Ask for the bitmap of received pages of a block, after a cut in postcopy."""
    return command("RECV_BITMAP", counted(block))


def discards(block: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Write what the destination throws away of a block before postcopy.

    Parameters
    ----------
    block : str
        Name of the RAM block.
    ranges : sequence of (int, int)
        Start and length, bytes.

    Returns
    -------
    list of bytes
        Commands of up to 12 ranges; none where there is no range.
    """
    head = b"\0" + counted(block) + b"\0"
    return [
        command(
            "POSTCOPY_RAM_DISCARD",
            head + b"".join(struct.pack(">QQ", *item) for item in ranges[at : at + 12]),
        )
        for at in range(0, len(ranges), DISCARDS_PER_COMMAND)
    ]


def block_list(blocks: Iterable[Block], places: Iterable[bytes] | None = None) -> bytes:
    """Write the list of RAM blocks that opens the first section of RAM.

    Parameters
    ----------
    blocks : iterable of Block
        In QEMU's order, the largest first; `Block.page_bytes` is written where it is set.
    places : iterable of bytes, optional
        What follows each block: its guest address with x-ignore-shared. The places of a
        mapped-ram file are no part of one run of bytes, see `writing_mapped_ram`.

    Returns
    -------
    bytes
        The word with the size of RAM and the blocks; page records or an end of section follow.

    Examples
    --------
    >>> block_list([Block("ram", 0x4000000, 0)]).hex()
    '00000000040000040372616d0000000004000000'
    """
    listed = list(blocks)
    more = list(places) if places is not None else [b""] * len(listed)
    total = sum(block.used_length for block in listed)
    parts = [struct.pack(">Q", total | wire.RAM_SAVE_FLAG_MEM_SIZE)]
    for block, place in zip(listed, more, strict=True):
        parts.append(block_entry(block) + place)
    return b"".join(parts)


def block_entry(block: Block) -> bytes:
    """Write one block of the list: name, used_length and, where it is told, its page size."""
    size = b"" if block.page_bytes is None else struct.pack(">Q", block.page_bytes)
    return counted(block.name) + struct.pack(">Q", block.used_length) + size


def description(text: bytes) -> bytes:
    """Write the description of devices, a JSON text, behind the end of the stream."""
    return struct.pack(">BI", wire.VMDESCRIPTION, len(text)) + text
