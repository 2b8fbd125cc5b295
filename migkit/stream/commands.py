"""Commands of the main stream and what they carry.

Source: migration/savevm.c (qemu_savevm_command_send, loadvm_process_command).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import wire
from .cursor import Cursor

__all__ = ["Command", "Discard", "read_command"]

_LENGTHS = {
    "OPEN_RETURN_PATH": (0,),
    "PING": (4,),
    "POSTCOPY_ADVISE": (0, 16),
    "POSTCOPY_LISTEN": (0,),
    "POSTCOPY_RUN": (0,),
    "PACKAGED": (4,),
    "ENABLE_COLO": (0,),
    "POSTCOPY_RESUME": (0,),
    "SWITCHOVER_START": (0,),
}
_RANGE_BYTES = 16


@dataclass(frozen=True)
class Discard:
    """One range that the destination throws away before postcopy.

    Attributes
    ----------
    offset : int
        Of the command in the stream.
    block : str
        Name of the RAM block.
    start, length : int
        Bytes in the block.
    """

    offset: int
    block: str
    start: int
    length: int


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes
    ----------
    name : str
        QEMU's; a number where it is not known.
    value : int or None
        Of PING; the length of PACKAGED; the page sizes of POSTCOPY_ADVISE.
    page_size : int or None
        Of the target, with POSTCOPY_ADVISE.
    discards : list of Discard
        With POSTCOPY_RAM_DISCARD.
    block : str
        With RECV_BITMAP.
    """

    name: str
    value: int | None = None
    page_size: int | None = None
    discards: list[Discard] = field(default_factory=list)
    block: str = ""


def read_command(cursor: Cursor) -> Command:
    """Read one command behind its byte.

    Parameters
    ----------
    cursor : Cursor
        At its number; afterwards behind its payload, for PACKAGED before the package.

    Returns
    -------
    Command
        An unknown one is stepped over by its length.

    Raises
    ------
    StreamError
        If the length is not one of that command.
    """
    start = cursor.at - 1
    number, length = cursor.u16("command"), cursor.u16("length of a command")
    known = 0 < number < len(wire.COMMANDS)
    name = wire.COMMANDS[number] if known else str(number)
    cursor.record = f"command {name}"
    if length not in _LENGTHS.get(name, (length,)):
        raise cursor.fail(f"a payload of {length} B, allowed {_LENGTHS[name]}", at=start)
    inside = cursor.part(length, "payload")
    if name in {"PING", "PACKAGED"}:
        return Command(name, inside.u32(name))
    if name == "POSTCOPY_ADVISE" and length:
        return Command(name, inside.u64("page sizes"), inside.u64("page size"))
    if name == "POSTCOPY_RAM_DISCARD":
        return Command(name, discards=_discards(inside, start))
    if name == "RECV_BITMAP":
        return Command(name, block=inside.text("block"))
    return Command(name)


def _discards(inside: Cursor, start: int) -> list[Discard]:
    version = inside.u8("version of discards")
    if version:
        raise inside.fail(f"version {version} of discards, known is 0", at=start)
    block = inside.text("block of discards")
    if inside.u8("end of the block's name"):
        raise inside.fail("a block's name without its 0 byte", at=start)
    if inside.left % _RANGE_BYTES:
        raise inside.fail(f"{inside.left} B of ranges, not a multiple of 16", at=start)
    return [
        Discard(inside.base + start, block, inside.u64("start"), inside.u64("length"))
        for _ in range(inside.left // _RANGE_BYTES)
    ]
