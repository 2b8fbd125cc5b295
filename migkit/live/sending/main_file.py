"""The main stream as QEMU's file: bytes wait until a flush, and count when the system has them.

Source: migration/qemu-file.c (qemu_fflush, qemu_put_buffer_async), migration/savevm.c
(qemu_savevm_command_send).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from migkit.channels import Channel
from migkit.errors import ChannelError
from migkit.stream import writer
from migkit.stream.writing_pages import PageWriter

from .counted import Counted
from .trail import Trail

__all__ = ["MainFile"]

BUFFER_BYTES = 32768
"""The buffer of QEMU's file (migration/qemu-file.c, IO_BUF_SIZE)."""


class MainFile:
    """Writes to the main channel.

    Parameters
    ----------
    channel : Channel
        Where to.
    counted : Counted
        Told of bytes that are written.
    trail : Trail
        Told of commands.
    page_size : int
        Bytes of a target page.
    """

    def __init__(self, channel: Channel, counted: Counted, trail: Trail, page_size: int) -> None:
        self.channel = channel
        self.pages = PageWriter(page_size)
        self._counted = counted
        self._trail = trail
        self._waiting: list[bytes | memoryview] = []
        self._waiting_bytes = 0

    def put(self, *parts: bytes | memoryview) -> None:
        """Let bytes wait for the next flush."""
        self.put_all(parts)

    def put_all(self, parts: Sequence[bytes | memoryview]) -> int:
        """Let many parts wait; return how many bytes they have."""
        self._waiting += parts
        count = sum(map(len, parts))
        self._waiting_bytes += count
        return count

    @property
    def is_full(self) -> bool:
        """Whether what waits fills the buffer of QEMU's file, if all of it is copied there."""
        return self._waiting_bytes >= BUFFER_BYTES

    def flush_full(self) -> None:
        """Write what fills whole buffers; QEMU's file is full in the middle of a record, too."""
        rest = self._waiting_bytes % BUFFER_BYTES
        if rest == self._waiting_bytes:
            return
        data = b"".join(self._waiting)
        whole = len(data) - rest
        self._waiting, self._waiting_bytes = [data[:whole]], whole
        self.flush()
        self.put(data[whole:])

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        ChannelError
            If the destination does not take it.
        """
        waiting, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        if waiting:
            self.channel.writev(waiting)
            self._counted.file_bytes += sum(map(len, waiting))

    def write(self, data: bytes | memoryview, /) -> int:
        """Write at once, behind what waits: so a file with places is laid out."""
        self.put(data)
        self.flush()
        return len(data)

    def seek(self, offset: int, /) -> int:
        """Go on at another place of the file."""
        self.flush()
        return self._seek(offset, os.SEEK_SET)

    def tell(self) -> int:
        """Return the place in the file behind all that was put."""
        self.flush()
        return self._seek(0, os.SEEK_CUR)

    def fileno(self) -> int:
        """Return the descriptor that is written to."""
        return self.channel.fileno()

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return os.lseek(self.fileno(), offset, whence)
        except OSError as error:
            raise ChannelError.of(
                f"mapped-ram in {self.channel.peer}",
                error.strerror or str(error),
                "give a file on a disk: pages have places of their own in it",
            ) from None

    def command(self, name: str, payload: bytes = b"") -> None:
        """Write a command at once."""
        self.commands([writer.command(name, payload)])

    def ping(self, value: int) -> None:
        """Write a PING at once."""
        self._trail.add("savevm_send_ping", value=value)
        self.commands([writer.ping(value)])

    def commands(self, records: Sequence[bytes]) -> None:
        """Write whole records of commands at once."""
        for record in records:
            number, length = record[2], int.from_bytes(record[3:5], "big")
            self._trail.add("savevm_command_send", command=number, len=length)
        self.put(*records)
        self.flush()

    def turn_to(self, channel: Channel) -> None:
        """Go on with another channel: so it is after a recovery. What waits is lost."""
        self.channel = channel
        self._waiting, self._waiting_bytes = [], 0
        self.pages.forget_block()
