"""Messages of the return path, from the destination to the source.

Source: migration/savevm.c, migration.c (migrate_send_rp_message, source_return_path_thread).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from . import wire
from .cursor import Buffer, Cursor

__all__ = ["Message", "read_message", "read_return_path"]

_LENGTHS = {"SHUT": 4, "PONG": 4, "REQ_PAGES": 12, "RESUME_ACK": 4, "SWITCHOVER_ACK": 0}


class Message(NamedTuple):
    """One message.

    Attributes
    ----------
    offset : int
        Where it begins.
    name : str
        QEMU's.
    value : int or None
        Of SHUT, PONG and RESUME_ACK; bytes of the bitmap for RECV_BITMAP.
    block : str or None
        The RAM block, also where a request means that of the one before.
    start, length : int or None
        Bytes of a request.
    """

    offset: int
    name: str
    value: int | None = None
    block: str | None = None
    start: int | None = None
    length: int | None = None


def read_return_path(data: Buffer, block: str | None = None) -> Iterator[Message]:
    """Read what a destination sent.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        All of it, or whole messages of it.
    block : str, optional
        The RAM block of the last request before.

    Yields
    ------
    Message
        In order.

    Raises
    ------
    StreamError
        At a message that is not known or has another length than it must.
    """
    cursor = Cursor(data)
    while cursor.left:
        message = read_message(cursor, block)
        block = message.block or block
        yield message


def read_message(cursor: Cursor, block: str | None) -> Message:
    """Read one message.

    Parameters
    ----------
    cursor : Cursor
        At it; afterwards behind it.
    block : str or None
        The RAM block of the message before, which a request may mean.

    Returns
    -------
    Message
        With its block.

    Raises
    ------
    StreamError
        If it is not known or has another length than it must.
    """
    start = cursor.at
    cursor.record = "return path message"
    number, length = cursor.u16("type"), cursor.u16("length")
    name = wire.RETURN_PATH[number] if 0 < number < len(wire.RETURN_PATH) else None
    if name is None or length > wire.MOST_MESSAGE_BYTES:
        raise cursor.fail(f"type {number} with a length of {length} B", at=start)
    cursor.record = f"return path message {name}"
    if length != _LENGTHS.get(name, length):
        raise cursor.fail(f"a length of {length} B, it has {_LENGTHS[name]} B", at=start)
    inside = cursor.part(length, name)
    message = _message(inside, inside.base + start, name, block)
    if name == "RECV_BITMAP":
        message = message._replace(value=_bitmap(cursor))
    return message


def _message(inside: Cursor, start: int, name: str, block: str | None) -> Message:
    if name in {"SHUT", "PONG", "RESUME_ACK"}:
        return Message(start, name, inside.u32("value"))
    if name == "RECV_BITMAP":
        return Message(start, name, block=inside.text("block"))
    if name == "SWITCHOVER_ACK":
        return Message(start, name)
    at, length = inside.u64("start"), inside.u32("length")
    if name == "REQ_PAGES_ID":
        block = inside.text("block")
    if block is None:
        raise inside.fail(
            "a request for the block before, and there is none", at=start - inside.base
        )
    return Message(start, name, None, block, at, length)


def _bitmap(cursor: Cursor) -> int:
    """Step over a recovery bitmap, which lies outside the message's length."""
    size = cursor.u64("size of the bitmap")
    cursor.skip(size, "bitmap")
    end = cursor.u64("end of the bitmap")
    if end != wire.RECV_BITMAP_END:
        raise cursor.fail(f"{end:#x} where the end mark of a bitmap belongs", at=cursor.at - 8)
    return size
