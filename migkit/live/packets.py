"""Multifd channels at a destination: a thread each, and where they all meet.

Packets of one round may come in any order on the channels; those of two rounds may hold the same
page. So each channel stops at a SYNC until the main stream has come to the word that pairs with
it. Source: migration/multifd.c (multifd_recv_thread, multifd_recv_sync_main).
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable

import numpy as np
import zstandard

from migkit.channels import Channel
from migkit.errors import ChannelError, MigkitError, StreamError
from migkit.stream.gathering import Gathering
from migkit.stream.multifd import Packet, pages_of, read_hello, read_packet
from migkit.stream.wire import MULTIFD_PACKET_BYTES

from .arena import Arena
from .channel_cursor import ChannelCursor, CutError
from .unpacking import Unpacker
from .watch import Watch

__all__ = ["MultifdChannels"]

_QUIET_S = 0.1
_LOOK_S = 0.25
_LATEST_S = 60.0
_HELLO_BYTES = 1 << 12
_BUFFER_BYTES = 1 << 21


class MultifdChannels:
    """All multifd channels of a migration.

    Parameters
    ----------
    gathering : Gathering
        Counts the packets.
    watch : Watch
        Hears what comes, and says why channels were broken off at this end.
    fail : callable
        Gets what went wrong on a channel.
    expected : int or None
        How many there are. Where it is not told, those that have come when the second SYNC is
        due: there are no pages before the first.
    """

    def __init__(
        self,
        gathering: Gathering,
        watch: Watch,
        fail: Callable[[MigkitError], None],
        expected: int | None,
    ) -> None:
        self._gathering, self._watch, self._fail = gathering, watch, fail
        self._expected = expected
        self._meet = threading.Condition()
        self._synced: dict[int, int] = {}
        self._ended: set[int] = set()
        self._released = 0
        self._last_came = time.monotonic()
        self._arena: Arena | None = None
        self._threads: list[threading.Thread] = []
        self._channels: list[Channel] = []
        self._closed = self._frozen = False
        self._cursors: list[ChannelCursor] = []

    @property
    def bytes(self) -> int:
        """What came so far."""
        return sum(cursor.base + cursor.end for cursor in list(self._cursors))

    def __len__(self) -> int:
        """Tell how many there are."""
        return len(self._channels)

    def add(self, channel: Channel) -> None:
        """Start to read a channel whose first bytes are multifd's; one that comes late ends."""
        thread = threading.Thread(target=self._run, args=(channel,), name="multifd", daemon=True)
        with self._meet:
            if self._closed:
                channel.close()
                return
            self._channels.append(channel)
            thread.start()  # before `close` can find it
            self._threads.append(thread)

    def begin(self, arena: Arena) -> None:
        """Let pages be placed there: RAM's list of blocks is known."""
        with self._meet:
            self._arena = arena
            self._meet.notify_all()

    def flush(self, *, told: bool) -> None:
        """Wait until every channel has come to its next SYNC, and let them go on.

        Parameters
        ----------
        told : bool
            Whether the main stream has a word for it, so that there are channels; machine types
            up to 8.0 have none, and a SYNC at the end of each section.

        Raises
        ------
        StreamError
            If a channel has ended before it; a `CutError` if they were broken off at this end.
        """
        with self._meet:
            self._released += 1
            if not self._frozen and (self._synced or told):
                self._wait_for_all()
                self._frozen = self._released > 1 or self._expected is not None
            while late := [c for c, n in self._synced.items() if n < self._released]:
                self._check_broken(f"SYNC of {', '.join(map(str, sorted(late)))}")
                ended = self._ended.intersection(late)
                if ended:
                    raise StreamError.at(
                        0, f"multifd channel {min(ended)}", "ended before its SYNC",
                        "look at the source's log for why it stopped",
                    )  # fmt: skip
                if self._closed:
                    break
                self._meet.wait(_LOOK_S)
            self._meet.notify_all()

    def _wait_for_all(self) -> None:
        """Wait until all channels are there, as far as that can be known."""
        deadline = time.monotonic() + _LATEST_S
        while not self._complete() and not self._closed:
            self._check_broken("a channel that has not come")
            if time.monotonic() > deadline:
                due = "" if self._expected is None else f" of {self._expected}"
                raise StreamError.at(
                    0,
                    "multifd channels",
                    f"{len(self._synced)}{due} came in {_LATEST_S:g} s",
                    "give as many as the source's multifd-channels, or none",
                )
            self._meet.wait(_QUIET_S)

    def _complete(self) -> bool:
        """Tell whether all channels are there."""
        if self._expected is not None:
            return len(self._synced) >= self._expected
        quiet = time.monotonic() - self._last_came >= _QUIET_S
        return bool(self._synced) and quiet and max(self._synced) == len(self._synced) - 1

    def _check_broken(self, awaited: str) -> None:
        if self._watch.reason:
            found = f"{awaited} was awaited, and {self._watch.reason}"
            raise CutError.at(0, "multifd channels", found, self._watch.remedy)

    def shutdown(self) -> None:
        """Break all of them off, from any thread."""
        for channel in list(self._channels):
            channel.shutdown()

    def close(self, timeout_s: float) -> None:
        """Wait for the channels' ends for a while, then end them."""
        deadline = time.monotonic() + timeout_s
        with self._meet:
            self._released += 1 << 60
            self._meet.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._meet:
            self._closed = True
            self._meet.notify_all()
        for channel in self._channels:
            channel.shutdown()
        for thread in self._threads:
            thread.join(5.0)
        for channel in self._channels:
            channel.close()

    def _run(self, channel: Channel) -> None:
        cursor = ChannelCursor(channel, self._watch, _HELLO_BYTES)
        self._cursors.append(cursor)
        number = -1
        try:
            number = self._hello(cursor, channel)
            self._read(cursor, number)
        except MigkitError as error:
            if not (self._closed or self._watch.reason):
                self._fail(error)
        finally:
            with self._meet:
                self._ended.add(number)
                self._meet.notify_all()

    def _hello(self, cursor: ChannelCursor, channel: Channel) -> int:
        """Read the channel's number."""
        number = read_hello(cursor)
        with self._meet:
            if number in self._synced or self._frozen:
                raise ChannelError.of(
                    f"multifd channel {number}", "came twice or late", "set multifd-channels alike"
                )
            self._synced[number] = 0
            self._last_came = time.monotonic()
            self._meet.notify_all()
        return number

    def _read(self, cursor: ChannelCursor, number: int) -> None:
        unpack = Unpacker()
        with self._meet:
            # The first packet is a SYNC, which needs no blocks; QEMU sends the list before pages.
            self._meet.wait_for(lambda: self._arena is not None or self._closed)
            arena = self._arena
        if arena is None:
            return
        cursor.widen(_BUFFER_BYTES)
        while cursor.have(1):
            cursor.settle()
            packet = read_packet(cursor, number, arena.blocks)
            self._place(arena, cursor, packet, unpack)
            if packet.kind == "sync":
                self._meet_others(number)

    def _place(
        self, arena: Arena, cursor: ChannelCursor, packet: Packet, unpack: Unpacker
    ) -> None:
        count = packet.normal_pages + packet.zero_pages
        if count:
            size = arena.blocks.page_size
            pages = pages_of(cursor.data, packet, arena.blocks)
            at = packet.pages_at + 8 * (MULTIFD_PACKET_BYTES // size)
            payload = memoryview(cursor.data)[at : cursor.at]
            try:
                plain = unpack.unpack(packet.method, payload, packet.normal_pages * size)
            except (ValueError, zlib.error, zstandard.ZstdError) as error:
                raise StreamError.at(
                    packet.offset, "multifd packet", f"{packet.method}: {error}", "see the source"
                ) from None
            normal = pages[: packet.normal_pages]
            arena.fill(normal, plain, np.arange(len(normal)) * size)
            arena.clear(pages[packet.normal_pages :])
            arena.received[pages] = True
        with self._meet:
            self._gathering.add_packet(None, packet)

    def _meet_others(self, number: int) -> None:
        with self._meet:
            self._synced[number] += 1
            self._meet.notify_all()
            self._meet.wait_for(lambda: self._released >= self._synced[number])
