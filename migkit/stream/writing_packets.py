"""Multifd channels, written: hello, packets of pages, SYNC, device state.

Source: migration/multifd.c (multifd_send_initial_packet, multifd_send_fill_packet),
multifd-nocomp.c, multifd-zlib.c, multifd-zstd.c, multifd-device-state.c.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit.errors import InputError

from . import wire

__all__ = ["METHODS", "PacketWriter", "check_method", "device_packet", "hello"]

METHODS = ("none", "zlib", "zstd")
"""The methods that can be written: QEMU's ``multifd-compression``."""

_FLAGS = {name: flag for flag, name in wire.MULTIFD_METHODS.items()}
_HEAD = struct.Struct(">IIIIIIQI28x256s")
_Compress = Callable[[list[memoryview]], list[memoryview]]


def hello(channel: int, uuid: bytes = bytes(16)) -> bytes:
    """Write the first 64 bytes of a channel.

    Parameters
    ----------
    channel : int
        Its id, 0..254.
    uuid : bytes
        Of the machine, 16 B.

    Returns
    -------
    bytes
        The hello.
    """
    head = struct.pack(">II16sB", wire.MULTIFD_MAGIC, wire.MULTIFD_VERSION, uuid, channel)
    return head + bytes(wire.MULTIFD_INIT_BYTES - len(head))


def device_packet(name: str, instance_id: int, state: bytes) -> bytes:
    """Write a packet of device state, 276 B and the state."""
    flags = wire.MULTIFD_FLAG_DEVICE_STATE
    head = struct.pack(">III", wire.MULTIFD_MAGIC, wire.MULTIFD_VERSION, flags)
    return head + struct.pack(">256sII", name.encode(), instance_id, len(state)) + state


class PacketWriter:
    """Writes the packets of one channel; a compressed channel is one stream over all of them.

    Parameters
    ----------
    page_size : int
        Bytes of a target page.
    method : str
        One of `METHODS`.
    level : int
        Of zlib (0..9) or zstd (0..20).

    Raises
    ------
    InputError
        If the method is another one.
    """

    def __init__(self, page_size: int, method: str = "none", level: int = 1) -> None:
        check_method(method)
        self.page_size = page_size
        self.pages = wire.MULTIFD_PACKET_BYTES // page_size
        """Pages that a packet has place for."""
        self._flag = _FLAGS[method]
        self._compress: _Compress = _compressor(method, level)

    def packet(
        self,
        number: int,
        block: str,
        pages: npt.NDArray[np.int64],
        normal: int,
        memory: memoryview,
    ) -> list[memoryview]:
        """Write a packet of pages of one block.

        Parameters
        ----------
        number : int
            QEMU's ``packet_num``, counted over all channels.
        block : str
            Name of the RAM block.
        pages : array of int64, shape (n,)
            Pages within the block: first those with contents, then zero pages.
        normal : int
            How many have contents.
        memory : memoryview
            The block's memory; without compression pages are referred to, not copied.

        Returns
        -------
        list of memoryview
            What to write, in order.
        """
        size = self.page_size
        listed = pages[:normal].tolist()
        parts = [memory[page * size : page * size + size] for page in listed]
        payload = self._compress(parts) if parts else []
        length = sum(len(part) for part in payload)
        counts = (normal, length, number, len(pages) - normal)
        head = self._head(self._flag, self.pages, counts, block)
        offsets = np.zeros(self.pages, ">u8")
        offsets[: len(pages)] = pages * size
        return [memoryview(head + offsets.tobytes()), *payload]

    def sync(self, number: int) -> bytes:
        """Write a SYNC packet: a whole header without pages."""
        head = self._head(wire.MULTIFD_FLAG_SYNC, 0, (0, 0, number, 0), "")
        return head + bytes(8 * self.pages)

    def _head(self, flags: int, place: int, counts: tuple[int, ...], block: str) -> bytes:
        head = (wire.MULTIFD_MAGIC, wire.MULTIFD_VERSION, flags, place)
        return _HEAD.pack(*head, *counts, block.encode("ascii"))


def check_method(method: str) -> None:
    """Refuse a method of compression that there is no library for."""
    if method not in METHODS:
        raise InputError.of(
            f"multifd-compression {method}",
            f"there is no library for it here, allowed {', '.join(METHODS)}",
            "choose one of them",
        )


def _compressor(method: str, level: int) -> _Compress:
    """Return what makes a packet's payload of its pages."""
    if method == "none":
        return lambda parts: parts
    if method == "zlib":
        return _deflating(zlib.compressobj(level))
    import zstandard

    return _flushing(zstandard.ZstdCompressor(level=level).compressobj())


def _deflating(stream: zlib._Compress) -> _Compress:
    def compress(parts: list[memoryview]) -> list[memoryview]:
        data = [stream.compress(part) for part in parts] + [stream.flush(zlib.Z_SYNC_FLUSH)]
        return [memoryview(b"".join(data))]

    return compress


def _flushing(stream: object) -> _Compress:
    import zstandard

    def compress(parts: list[memoryview]) -> list[memoryview]:
        data = [stream.compress(part) for part in parts]  # type: ignore[attr-defined]
        data.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))  # type: ignore[attr-defined]
        return [memoryview(b"".join(data))]

    return compress
