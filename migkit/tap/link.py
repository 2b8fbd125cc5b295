"""A connection through a tap: two channels, and a flow each way."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from pathlib import Path
from typing import BinaryIO

from migkit.channels import Channel
from migkit.errors import ChannelError

from .flow import Flow
from .state import Shared

__all__ = ["Link"]

_PATIENCE_S = 1.0
_AT_ONCE = struct.pack("ii", 1, 0)


class Link:
    """Joins a source's connection with one to the destination.

    Parameters
    ----------
    shared : Shared
        Of the tap.
    near, far : Channel
        From the source, and to the destination.
    number : int
        Of the connection, from 0.
    spools : Path or None
        Where copies go, without the ending that tells the direction.
    """

    def __init__(
        self,
        shared: Shared,
        near: Channel,
        far: Channel,
        *,
        number: int,
        spools: Path | None,
    ) -> None:
        self._near, self._far = near, far
        self._cut_s: float | None = None
        self._closed = threading.Event()
        self.there = Flow(
            shared, near, far, to_source=False, number=number,
            spool=_spool(spools, "to-destination"),
        )  # fmt: skip
        self.back = Flow(
            shared, far, near, to_source=True, number=number,
            spool=_spool(spools, "to-source"),
        )  # fmt: skip
        self._closer = threading.Thread(target=self._close, name="tap link", daemon=True)

    def start(self) -> None:
        """Let bytes pass."""
        for thread in (self.there.thread, self.back.thread, self._closer):
            thread.start()

    @property
    def open(self) -> bool:
        """Bytes may still come."""
        return not self._closed.is_set()

    def sever(self) -> None:
        """Break it: the destination gets what was passed on, then the end."""
        self._cut_s = time.monotonic()
        self.there.severed = self.back.severed = True
        _reset_at_close(self._near)
        self._near.shutdown()
        try:
            self._far.shut_write()
        except ChannelError:
            self._far.shutdown()

    def abandon(self) -> None:
        """End it at once."""
        self._near.shutdown()
        self._far.shutdown()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until both ends are closed."""
        self._closed.wait(timeout_s)

    def _close(self) -> None:
        self.there.thread.join()
        # What is unread when a socket is closed makes the system drop what is on its way.
        while self.back.thread.is_alive():
            self.back.thread.join(_PATIENCE_S / 10)
            if self._cut_s is not None and time.monotonic() - self._cut_s > _PATIENCE_S:
                self._far.shutdown()
                self.back.thread.join()
        self._near.close()
        self._far.close()
        self._closed.set()


def _reset_at_close(channel: Channel) -> None:
    """Let closing reset a TCP connection.

    After an end alone, Linux drops what still comes for a minute if its window was full, and
    answers nothing: the source would hang in its write, and with it all that waits for its lock.
    """
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(channel.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


def _spool(base: Path | None, direction: str) -> BinaryIO | None:
    if base is None:
        return None
    return base.with_name(f"{base.name}-{direction}").open("wb", buffering=0)
