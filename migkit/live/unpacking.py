"""Payloads of multifd packets, unpacked: one stream of a method through a channel's packets.

Sources: migration/multifd-zlib.c, migration/multifd-zstd.c.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import IO, cast

import zstandard

__all__ = ["Unpacker"]

_MOST_WINDOW_BYTES = 1 << 27


class Unpacker:
    """Unpacks the packets of one channel, in order."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()
        self._input = _Input()
        self._zstd: zstandard.ZstdDecompressionReader | None = None

    def unpack(self, method: str, payload: memoryview, size: int) -> memoryview:
        """Unpack a packet.

        Parameters
        ----------
        method : str
            QEMU's name of it.
        payload : memoryview
            What the packet holds behind its header.
        size : int
            Bytes of the pages in it; no more than that is ever unpacked.

        Returns
        -------
        memoryview
            Exactly so many bytes.

        Raises
        ------
        ValueError
            If there are more or fewer, or the method has no library here.
        """
        if not size:
            return memoryview(b"")
        methods: dict[str, Callable[[memoryview, int], memoryview]] = {
            "none": lambda payload, _: payload,
            "zlib": self._from_zlib,
            "zstd": self._from_zstd,
        }
        if method not in methods:
            raise ValueError(f"it needs an accelerator, allowed are {', '.join(methods)}")
        plain = methods[method](payload, size)
        if len(plain) != size:
            raise ValueError(f"{len(plain)} B of pages, {size} B are due")
        return plain

    def _from_zlib(self, payload: memoryview, size: int) -> memoryview:
        plain = self._inflate.decompress(payload, size)
        rest = self._inflate.unconsumed_tail
        if rest and (self._inflate.decompress(rest, 1) or self._inflate.unconsumed_tail):
            raise ValueError(f"more than {size} B of pages")
        return memoryview(plain)

    def _from_zstd(self, payload: memoryview, size: int) -> memoryview:
        if self._zstd is None:
            unpacker = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
            self._zstd = unpacker.stream_reader(cast(IO[bytes], self._input))
        self._input.give(payload)
        plain = memoryview(bytearray(size))
        done = 0
        while done < size:
            count = self._zstd.readinto(plain[done:])
            if not count:
                break
            done += count
        return plain[:done]


class _Input:
    """Gives a reader the packet that is there, and an error where it asks for more."""

    def __init__(self) -> None:
        self._rest = memoryview(b"")

    def give(self, payload: memoryview) -> None:
        """Take the next packet, behind what was not read of the last."""
        self._rest = memoryview(bytes(self._rest) + bytes(payload))

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if not self._rest:
            raise ValueError("the packet ends before its pages")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)
