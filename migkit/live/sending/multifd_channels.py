"""What a thread of multifd writes to: a socket with packets, or a file with places.

Source: migration/multifd.c (multifd_send_thread), migration/multifd-nocomp.c, migration/file.c
(file_write_ramblock_iov).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from migkit.channels import Channel
from migkit.errors import ChannelError
from migkit.parameters import MigrationParameters
from migkit.stream.writing_packets import PacketWriter, hello

from .file_pages import FilePages
from .guest_image import GuestImage

__all__ = ["FileChannel", "MultifdChannel", "PacketChannel", "file_channels", "packet_channels"]

Pages = npt.NDArray[np.int64]


class MultifdChannel(Protocol):
    """Where a thread writes its batches of pages.

    Attributes
    ----------
    greeting_bytes : int
        What was written when it was opened.
    """

    greeting_bytes: int

    def write(self, number: int, block: int, pages: Pages, zero: npt.NDArray[np.bool_]) -> int:
        """Write pages of a block; return how many bytes that took."""

    def sync(self, number: int) -> int:
        """Write a SYNC packet, where there are packets; return how many bytes that took."""

    def shutdown(self) -> None:
        """End a write that blocks, from any thread."""

    def close(self) -> None:
        """Let go of it."""


class PacketChannel:
    """Writes packets to a socket.

    Parameters
    ----------
    channel : Channel
        Connected; it is greeted at once.
    number : int
        Of the channel.
    image : GuestImage
        Whose pages they are.
    parameters : MigrationParameters
        How packets are compressed.
    """

    def __init__(
        self, channel: Channel, number: int, image: GuestImage, parameters: MigrationParameters
    ) -> None:
        method = parameters.multifd_compression
        levels = {"zlib": parameters.multifd_zlib_level, "zstd": parameters.multifd_zstd_level}
        self._channel, self._image = channel, image
        self._packets = PacketWriter(image.page_size, method, levels.get(method, 1))
        greeting = hello(number)
        channel.write(greeting)
        self.greeting_bytes = len(greeting)

    def write(self, number: int, block: int, pages: Pages, zero: npt.NDArray[np.bool_]) -> int:
        """Write a packet: pages with contents, then zero pages."""
        told = self._image.blocks[block]
        ordered = np.concatenate([pages[~zero], pages[zero]])
        normal, view = int((~zero).sum()), self._image.view(told)
        parts = self._packets.packet(number, told.name, ordered, normal, view)
        self._channel.writev(parts)
        return sum(map(len, parts))

    def sync(self, number: int) -> int:
        """Write a SYNC packet."""
        packet = self._packets.sync(number)
        self._channel.write(packet)
        return len(packet)

    def shutdown(self) -> None:
        """Break the connection."""
        self._channel.shutdown()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


class FileChannel:
    """Writes pages to their places in a file that it opens once more.

    Parameters
    ----------
    path : str
        Of the file; it is there already.
    places : FilePages
        Where pages belong.
    """

    greeting_bytes = 0

    def __init__(self, path: str, places: FilePages) -> None:
        self._places = places
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ChannelError.of(
                f"write {path}", error.strerror or str(error), "give a path that can be written"
            ) from None

    def write(self, number: int, block: int, pages: Pages, zero: npt.NDArray[np.bool_]) -> int:
        """Write pages to their places."""
        return self._places.write(self._descriptor, block, pages, zero)

    def sync(self, number: int) -> int:
        """Write nothing: what was written is in the file."""
        return 0

    def shutdown(self) -> None:
        """Do nothing: a file does not block for long."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def packet_channels(
    more: Callable[[], Channel], image: GuestImage, parameters: MigrationParameters
) -> Iterator[MultifdChannel]:
    """Connect so many channels as ``multifd-channels`` says.

    Each is greeted before the next is opened: with TLS, a destination reads the greeting before it
    shakes hands on another channel.
    """
    for number in range(parameters.multifd_channels):
        yield PacketChannel(more(), number, image, parameters)


def file_channels(
    path: str, places: FilePages, parameters: MigrationParameters
) -> Iterator[MultifdChannel]:
    """Open the file so many times as ``multifd-channels`` says."""
    for _ in range(parameters.multifd_channels):
        yield FileChannel(path, places)
