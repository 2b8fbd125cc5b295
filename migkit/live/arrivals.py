"""Channels as they come in, told apart by what they begin with.

QEMU opens them in no fixed order, and the main stream's first bytes may come last. Source:
migration/migration.c (migration_ioc_process_incoming).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from migkit.channels import Channel, Listener
from migkit.errors import ChannelError, MigkitError
from migkit.stream import wire

__all__ = ["Arrivals"]

MOST_CHANNELS = 300
"""Connections that are held at a time: QEMU has 255 multifd channels at most."""
_MAIN = wire.VM_FILE_MAGIC.to_bytes(4, "big")
_MULTIFD = wire.MULTIFD_MAGIC.to_bytes(4, "big")


class Arrivals:
    """Accepts channels and hands each to whom it belongs.

    Parameters
    ----------
    listener : Listener
        Where they come in.
    multifd, urgent : callable
        Get a channel of multifd, and the one of postcopy-preempt.
    refused : callable
        Gets the error of a channel that is none.
    """

    def __init__(
        self,
        listener: Listener,
        multifd: Callable[[Channel], None],
        urgent: Callable[[Channel], None],
        refused: Callable[[MigkitError], None],
    ) -> None:
        self._listener = listener
        self._multifd, self._urgent, self._refused = multifd, urgent, refused
        self._main: queue.Queue[Channel | MigkitError] = queue.Queue()
        self._waiting: set[Channel] = set()
        self._closed = False
        self._begun = False
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    def main(self, timeout_s: float | None, stopped: Callable[[], bool]) -> Channel:
        """Wait for a main stream, the first or one after a recovery.

        Parameters
        ----------
        timeout_s : float or None
            For how long.
        stopped : callable
            Tells whether it is no more waited for.

        Raises
        ------
        MigkitError
            If none came, or the only one that can come is none of a migration.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not stopped() and (end is None or time.monotonic() < end):
            try:
                found = self._main.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(found, MigkitError):
                raise found
            return found
        raise ChannelError.of(
            f"main channel at {self._listener.address}",
            f"none came in {timeout_s} s",
            "start the source's migrate, or resume it",
        )

    def close(self) -> None:
        """Accept no more, and end what did not say what it is."""
        self._closed = True
        self._listener.close()
        for channel in list(self._waiting):
            channel.shutdown()
        self._thread.join(5.0)

    def _accept(self) -> None:
        while not self._closed:
            try:
                channel = self._listener.accept()
            except ChannelError as error:
                self._main.put(error)
                return
            if len(self._waiting) >= MOST_CHANNELS:
                channel.close()
                continue
            self._waiting.add(channel)
            threading.Thread(target=self._tell, args=(channel,), daemon=True).start()

    def _tell(self, channel: Channel) -> None:
        """Wait for the first bytes of a channel, and hand it on."""
        try:
            begins = channel.peek(4)
            if begins == _MULTIFD:
                self._multifd(channel)
            elif begins == _MAIN or (self._begun and begins[:1] == bytes([wire.COMMAND])):
                self._begun = True
                self._main.put(channel)
            elif self._begun and begins[:1] == b"\0":
                self._urgent(channel)
            else:
                channel.close()
                if (begins or self._listener.gives_one) and not self._closed:
                    found = f"begins with {begins.hex()}, which no channel of a migration does"
                    raise ChannelError.of(
                        f"channel {channel.peer}",
                        found if begins else "ended without a byte",
                        "connect a source's migrate to it",
                    )
        except MigkitError as error:
            if self._listener.gives_one and not self._begun:
                self._main.put(error)
            else:
                self._refused(error)
        finally:
            self._waiting.discard(channel)
