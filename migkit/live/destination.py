"""A destination of a real QEMU: reads its channels, keeps its RAM, answers what it asks.

Sources: migration/migration.c (process_incoming_migration_co), migration/savevm.c
(qemu_loadvm_state, postcopy_pause_incoming).
"""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt

from migkit.channels import Channel, Listener
from migkit.errors import MigkitError
from migkit.stream.cursor import Buffer, Cursor
from migkit.stream.gathering import Gathering
from migkit.stream.page_records import PageChannel
from migkit.stream.records import MainStream

from .arena import Arena, reserved
from .arrivals import Arrivals
from .channel_cursor import ChannelCursor, CutError
from .guest.incoming import IncomingGuest
from .packets import MultifdChannels
from .placing import Placing
from .replies import Replies
from .requests import Requests
from .sections import DeviceSections
from .settings import ReceiveSettings
from .urgent import UrgentChannel
from .watch import Watch

__all__ = ["Destination"]

_LAST_PAGES_S = 10.0
_LAST_PACKETS_S = 2.0
_LOOK_S = 0.02


class Destination:
    """What one incoming migration has: its channels, its memory, its counts.

    Parameters
    ----------
    listener : Listener or None
        Where its channels come in; closed with it. None reads a file.
    settings : ReceiveSettings
        How it behaves.

    Attributes
    ----------
    state : str
        By QEMU's names of an incoming migration's states.
    reading : Gathering
        Frames so far.
    arena : Arena or None
        The guest's RAM, from when the stream announced it.
    pauses : int
        How often postcopy was paused.
    description : bytes
        The description of devices as it came.
    file : buffer
        What is read instead of a channel.
    file_offset : int
        Where the stream begins in it.
    guest : IncomingGuest or None
        What is to run here.
    failure : MigkitError or None
        What went wrong first on a channel that is not the main one.
    """

    def __init__(self, listener: Listener | None, settings: ReceiveSettings) -> None:
        self.settings, self.state, self.pauses = settings, "setup", 0
        self.reading = Gathering(MainStream(keep=False), keep=False)
        self.arena: Arena | None = None
        self.description = b""
        self.file: Buffer = b""
        self.file_offset = 0
        self.sections, self.replies = DeviceSections(), Replies()
        self.requests: Requests | None = None
        self.guest = IncomingGuest() if settings.run else None
        self.began_s = self.ended_s = time.monotonic()
        self.failure: MigkitError | None = None
        self._listening = threading.Event()
        self.watch = Watch(settings.silence_s, self._shut_down)
        self._yanks, self._ending, self._closed = 0, False, False
        self.main_cursors: list[Cursor] = []
        self._urgent_cursors: list[Cursor] = []
        self._main: Channel | None = None
        self._urgent: UrgentChannel | None = None
        self._placing = Placing(self.reading.stream.tally, self.memory, self._arrived)
        stream = self.reading.stream
        stream.most_ram_bytes = settings.most_ram_bytes
        stream.channel = PageChannel(stream.blocks, self._placing.take)
        self.multifd = MultifdChannels(
            self.reading, self.watch, self._fail, settings.multifd_channels
        )
        stream.channel.on_flush = self._flush
        self._arrivals: Arrivals | None = None
        if listener is not None:
            add = (self.multifd.add, self._add_urgent)
            self._arrivals = Arrivals(listener, *add, lambda error: settings.warn(str(error)))

    def memory(self) -> Arena:
        """Return the guest's RAM; its blocks must be known."""
        if self.arena is None:
            blocks = self.reading.stream.blocks
            self.arena = reserved(Arena if self.guest is None else self.guest.arena, blocks)
            self.multifd.begin(self.arena)
        return self.arena

    @property
    def bytes(self) -> int:
        """What came so far, over all channels."""
        cursors = [*self.main_cursors, *self._urgent_cursors]
        came = sum(cursor.base + cursor.end for cursor in cursors)
        return self.multifd.bytes + came - self.file_offset

    @property
    def in_postcopy(self) -> bool:
        """Whether pages come on request."""
        return self.state.startswith("postcopy")

    def yank(self, *, end: bool = False) -> None:
        """Break the connections, as QEMU's yank does; from any thread and in any state.

        Parameters
        ----------
        end : bool
            Whether postcopy is not to wait for the source to resume it.
        """
        self._ending = self._ending or end
        self._yanks += 1
        self.watch.yank()

    def _shut_down(self) -> None:
        for channel in (self._main, self._urgent.channel if self._urgent else None):
            if channel is not None:
                channel.shutdown()
        self.multifd.shutdown()

    def _fail(self, error: MigkitError) -> None:
        """Note what went wrong on another channel, and end the main one."""
        if self.failure is None:
            self.failure = error
        self._shut_down()

    def _flush(self) -> None:
        self.memory()
        self.multifd.flush(told=True)

    def _arrived(self, pages: npt.NDArray[np.int64], at_s: float) -> None:
        if self.requests is not None:
            self.requests.arrived(pages, at_s)

    def listen(self) -> None:
        """Let pages come on request: what is to be thrown away before that is gone."""
        self.state = "postcopy-device"
        self._listening.set()

    def _add_urgent(self, channel: Channel) -> None:
        """Read such a channel from when postcopy listens on; one at a time."""
        self._listening.wait()
        while self._urgent_reads() and not self._closed:
            time.sleep(_LOOK_S)
        if self._closed:
            channel.close()
            return
        blocks = self.reading.stream.blocks
        placing = Placing(self.reading.tally("preempt"), self.memory, self._arrived)
        pages = PageChannel(blocks, placing.take)
        self._urgent = UrgentChannel(channel, self.watch, placing, pages, self._fail)
        self._urgent_cursors.append(self._urgent.cursor)

    def wait_for_main(self) -> None:
        """Wait for the source.

        Raises
        ------
        ChannelError
            If it does not come.
        """
        if self._arrivals is not None:
            self._connect(self._arrivals, self.settings.wait_s, 0)
        self.began_s, self.state = time.monotonic(), "active"

    def _connect(self, arrivals: Arrivals, limit_s: float | None, yanks: int) -> None:
        """Wait for a main channel, but no more after a yank."""

        def stopped() -> str:
            if self._yanks > yanks:
                return "it was yanked here"
            return "another channel failed" if self.failure else ""

        channel = arrivals.main(limit_s, stopped)
        self.watch.begin()
        self._main = channel
        self.replies.use(channel)
        self.reading.connection += 1
        if stopped():
            self.watch.yank()

    def cursor(self) -> ChannelCursor:
        """Return a cursor over the main channel that is there."""
        assert self._main is not None
        cursor = ChannelCursor(self._main, self.watch)
        self.follow(cursor)
        return cursor

    def follow(self, cursor: Cursor) -> None:
        """Place the pages that are read by a cursor."""
        self.main_cursors.append(cursor)
        self._placing.cursor = cursor

    def pause(self, error: CutError) -> None:
        """Wait for the source to resume postcopy.

        Parameters
        ----------
        error : CutError
            How the connection broke.

        Raises
        ------
        MigkitError
            If it cannot be resumed, or is not.
        """
        if self.failure is not None:
            raise self.failure
        if self.state not in {"postcopy-active", "postcopy-recover"} or self.requests is None:
            raise error
        yanks = self._yanks
        self.watch.rest()
        self.state = "postcopy-paused"
        self.pauses += 1
        self.requests.broken()
        self.replies.use(None)
        self._close_channels()
        self.settings.warn(f"postcopy is paused: {error}")
        if self.settings.recover_s == 0 or self._arrivals is None or self._ending:
            raise error
        self._connect(self._arrivals, self.settings.recover_s, yanks)
        self.state = "postcopy-recover"

    def finish(self) -> None:
        """Wait for what other channels still bring, and tell the source that all is here."""
        if self.in_postcopy and self.arena is not None:
            while self.arena.missing and self._more_may_come():
                time.sleep(0.001)
        if self.failure is not None:
            raise self.failure
        if self.guest is not None and self.arena is not None:
            self.guest.finish(self.arena.missing, running=self.in_postcopy)
        self.replies.shut(0)
        self.state = "completed"

    def _more_may_come(self) -> bool:
        if self.watch.reason or self.watch.silent_s > _LAST_PAGES_S:
            return False
        return self._urgent_reads() or (self._arrivals is not None and self._arrivals.pending)

    def _urgent_reads(self) -> bool:
        return self._urgent is not None and self._urgent.reading

    def fail(self) -> None:
        """Tell the source that loading failed, unless the guest runs here: then it can resume."""
        if not self.in_postcopy:
            self.replies.shut(1)
        if self.state != "postcopy-paused":
            self.state = "failed"

    def close(self) -> None:
        """End all channels and threads."""
        self.ended_s, self._closed = time.monotonic(), True
        self._listening.set()
        self.watch.stop()
        if self._arrivals is not None:
            self._arrivals.close()
        if self.guest is not None:
            self.guest.end_faults()
            if self.state != "completed":
                self.yank()  # the thread of the faults may be writing
        if self.requests is not None:
            self.requests.stop()
        if self.guest is not None:
            self.guest.close(completed=self.state == "completed")
        self.multifd.close(_LAST_PACKETS_S if self.state == "completed" else 0.0)
        self._close_channels()

    def _close_channels(self) -> None:
        urgent, self._urgent = self._urgent, None
        if urgent is not None:
            urgent.close()
        main, self._main = self._main, None
        if main is not None:
            main.close()
