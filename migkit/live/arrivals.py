"""Channels as they come in, told apart by what they begin with.

QEMU opens them in no fixed order, and the main stream's first bytes may come last. A peer that
connects and says nothing, or something else, holds nobody up. Source: migration/migration.c
(migration_ioc_process_incoming).
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
"""Connections that have said nothing yet: QEMU has 255 multifd channels at most. Of more, the one
that has waited longest makes room."""
_MAIN = wire.VM_FILE_MAGIC.to_bytes(4, "big")
_MULTIFD = wire.MULTIFD_MAGIC.to_bytes(4, "big")
_RESUMED = bytes([wire.COMMAND])
_TLS = b"\x16\x03"
_LOOK_S = 0.1


class Arrivals:
    """Accepts channels and hands each to whom it belongs.

    Parameters
    ----------
    listener : Listener
        Where they come in.
    multifd, urgent : callable
        Get a channel of multifd, and the one of postcopy-preempt; the latter may wait.
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
        self._main: queue.Queue[Channel] = queue.Queue(1)
        self._failed: MigkitError | None = None
        self._waiting: dict[Channel, None] = {}
        self._lock = threading.Lock()
        self._closed = self._begun = False
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    def main(self, timeout_s: float | None, stopped: Callable[[], str]) -> Channel:
        """Wait for a main stream, the first or one after a recovery.

        Parameters
        ----------
        timeout_s : float or None
            For how long.
        stopped : callable
            Tells why it is no more waited for; nothing while it is.

        Raises
        ------
        MigkitError
            If none came, or the only one that can come is none of a migration.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        reason = ""
        while not reason:
            try:
                return self._main.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._failed is not None:
                    raise self._failed from None
            reason = stopped()
            if end is not None and time.monotonic() >= end:
                reason = reason or f"none came in {timeout_s} s"
        raise ChannelError.of(
            f"main channel at {self._listener.address}",
            reason,
            "start the source's migrate, or resume it",
        )

    @property
    def pending(self) -> bool:
        """Whether channels are there that were not handed on yet."""
        return bool(self._waiting)

    def close(self) -> None:
        """Accept no more, and end what did not say what it is, or came late."""
        with self._lock:
            self._closed = True
        self._listener.close()
        self._thread.join(5.0)
        with self._lock:
            waiting = list(self._waiting)
        for channel in waiting:
            channel.shutdown()
        while not self._main.empty():
            self._main.get_nowait().close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                channel = self._listener.accept()
            except ChannelError as error:
                self._failed = error
                return
            with self._lock:
                self._waiting[channel] = None
                if len(self._waiting) > MOST_CHANNELS:
                    oldest = next(iter(self._waiting))
                    del self._waiting[oldest]
                    oldest.shutdown()
            threading.Thread(target=self._tell, args=(channel,), daemon=True).start()

    def _tell(self, channel: Channel) -> None:
        """Wait for the first bytes of a channel, and hand it on."""
        try:
            begins = channel.peek(4)
            if begins == _MULTIFD:
                self._multifd(channel)
            elif begins == _MAIN if not self._begun else begins[:1] == _RESUMED:
                self._take_main(channel)
            elif begins[:1] == b"\0":
                self._urgent(channel)
            elif begins and not self._closed:
                raise _stranger(channel, begins, begun=self._begun)
            else:
                channel.close()
                if not (self._begun or self._closed):
                    raise ChannelError.of(
                        f"channel {channel.peer}",
                        "ended without a byte",
                        "connect a source's migrate to it; of one, its log says why",
                    )
        except MigkitError as error:
            channel.close()
            if self._listener.gives_one and not self._begun:
                self._failed = error
            elif not self._closed:
                self._refused(error)
        finally:
            with self._lock:
                self._waiting.pop(channel, None)

    def _take_main(self, channel: Channel) -> None:
        with self._lock:
            self._begun = True
            if self._closed:
                channel.close()
                return
            if self._main.full():
                raise ChannelError.of(
                    f"channel {channel.peer}",
                    "a main stream, and another one waits already",
                    "let one source migrate to this place",
                )
            self._main.put(channel)


def _stranger(channel: Channel, begins: bytes, *, begun: bool) -> ChannelError:
    """Make the error of a channel that is none of a migration."""
    found = f"begins with {begins.hex()}, which no channel of a migration does"
    remedy = "connect a source's migrate to it"
    if begins[:2] == _TLS:
        found = "begins with a TLS handshake, and there are no credentials here"
        remedy = "give tls (--tls-dir) here, or take tls-creds from the source"
    elif begins == _MAIN and begun:
        found = "a main stream, and there was one already"
        remedy = "let one source migrate to this place"
    return ChannelError.of(f"channel {channel.peer}", found, remedy)
