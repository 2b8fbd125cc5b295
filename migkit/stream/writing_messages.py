"""Messages of the return path, written: what a destination tells its source.

Source: migration/savevm.c, migration/migration.c (migrate_send_rp_message,
migrate_send_rp_req_pages, migrate_send_rp_recv_bitmap).
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from . import wire
from .writer import counted

__all__ = ["RequestWriter", "message", "pong", "received_bitmap", "resume_ack", "shut"]


def message(name: str, payload: bytes = b"") -> bytes:
    """Write a message.

    Parameters
    ----------
    name : str
        One of `wire.RETURN_PATH`.
    payload : bytes
        Up to 512 B.

    Returns
    -------
    bytes
        Type, length and payload.

    Examples
    --------
    >>> message("SWITCHOVER_ACK").hex()
    '00070000'
    """
    return struct.pack(">HH", wire.RETURN_PATH.index(name), len(payload)) + payload


def shut(value: int = 0) -> bytes:
    """Write SHUT: the last message; anything but 0 says that loading failed."""
    return message("SHUT", struct.pack(">I", value))


def pong(value: int) -> bytes:
    """Write PONG, the answer to a PING of the same value."""
    return message("PONG", struct.pack(">I", value))


def resume_ack() -> bytes:
    """Write RESUME_ACK: postcopy goes on."""
    return message("RESUME_ACK", struct.pack(">I", 1))


def received_bitmap(block: str, received: npt.NDArray[np.bool_]) -> bytes:
    """Write RECV_BITMAP and the bitmap behind it.

    Parameters
    ----------
    block : str
        Name of the RAM block.
    received : array of bool, shape (pages,)
        Which pages are there.

    Returns
    -------
    bytes
        The message; then size, bits (little-endian, whole 8 bytes) and the end mark, which the
        message's length does not count.
    """
    bits = np.packbits(received, bitorder="little").tobytes()
    bits += bytes(-len(bits) % 8)
    end = struct.pack(">Q", wire.RECV_BITMAP_END)
    return message("RECV_BITMAP", counted(block)) + struct.pack(">Q", len(bits)) + bits + end


class RequestWriter:
    """Writes requests for pages, which name their block only where it changes."""

    def __init__(self) -> None:
        self._block: str | None = None

    def forget_block(self) -> None:
        """Let the next request name its block: so it is after a recovery."""
        self._block = None

    def request(self, block: str, start: int, length: int) -> bytes:
        """Write REQ_PAGES, or REQ_PAGES_ID where the block is another than before.

        Parameters
        ----------
        block : str
            Name of the RAM block.
        start, length : int
            Bytes within the block, whole host pages.

        Returns
        -------
        bytes
            The message.

        Examples
        --------
        >>> requests = RequestWriter()
        >>> len(requests.request("pc.ram", 0, 4096)), len(requests.request("pc.ram", 8192, 4096))
        (23, 16)
        """
        place = struct.pack(">QI", start, length)
        if block == self._block:
            return message("REQ_PAGES", place)
        self._block = block
        return message("REQ_PAGES_ID", place + counted(block))
