"""The return path: a thread that reads what the destination says, and what came of it.

Source: migration/migration.c (source_return_path_thread, migrate_handle_rp_req_pages),
migration/ram.c (ram_save_queue_pages).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from migkit.channels import Channel
from migkit.errors import ChannelError, MigkitError, StreamError
from migkit.stream.return_path import Message, read_return_path
from migkit.stream.wire import MOST_MESSAGE_BYTES, PING_PACKAGE_LOADED, RETURN_PATH

from .counted import Counted
from .trail import Trail

__all__ = ["Replies", "Request"]

_HEAD_BYTES = 4
_RECV_BITMAP = RETURN_PATH.index("RECV_BITMAP")
_END_MARK_BYTES = 8


@dataclass
class Request:
    """One request for pages.

    Attributes
    ----------
    t_ns : int
        When it came, since the migration was asked for.
    block : str
        Name of the RAM block.
    start, length : int
        Bytes in it.
    pages : int
        How many of them were sent for it; 0 where they were on their way already.
    served_ns : int
        When the last of them was given to the system; -1 where none was.
    """

    t_ns: int
    block: str
    start: int
    length: int
    pages: int = 0
    served_ns: int = -1


@dataclass
class Replies:
    """Reads the return path until SHUT, or until the channel ends.

    Parameters
    ----------
    channel : Channel
        The main channel.
    trail : Trail
        Told of messages.
    urgent : callable, optional
        Serves a request in this thread, as postcopy-preempt does; without it, requests wait in
        `waiting` for the migration thread.
    blocks : mapping of str to int
        Length of each RAM block, bytes; requests and bitmaps have to fit.
    page_size : int
        Bytes of a target page.
    counted : Counted
        Whose `requests` they count.
    """

    channel: Channel
    trail: Trail
    blocks: Mapping[str, int]
    page_size: int
    urgent: Callable[[Request], None] | None = None
    counted: Counted = field(default_factory=Counted)
    waiting: deque[Request] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    pongs: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    package_loaded: threading.Event = field(default_factory=threading.Event)
    acknowledged: threading.Event = field(default_factory=threading.Event)
    resumed: threading.Event = field(default_factory=threading.Event)
    bitmaps: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    bitmap_came: threading.Condition = field(default_factory=threading.Condition)
    shut: int | None = None
    error: MigkitError | None = None

    def start(self) -> None:
        """Begin to read."""
        self._block: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mig/src/return", daemon=True)
        self._thread.start()

    def turn_to(self, channel: Channel) -> None:
        """Read another channel: so it is after a recovery. The one before has ended."""
        self._thread.join()
        self.channel, self.shut, self.error = channel, None, None
        self.waiting.clear()
        self.bitmaps.clear()
        self.resumed.clear()
        self.start()

    def check(self) -> None:
        """Raise what ended the return path, if it ended too early."""
        if self.error is not None:
            raise self.error

    def await_end(self, timeout_s: float) -> None:
        """Wait for SHUT.

        Raises
        ------
        ChannelError
            If it does not come, or says that the destination could not load the guest.
        """
        if not self._ended.wait(timeout_s):
            raise self.late("SHUT", timeout_s)
        self.check()
        if self.shut:
            raise ChannelError.of(
                f"destination {self.channel.peer}",
                f"it could not load the guest (SHUT {self.shut})",
                "look at its log; machine type, memory and devices have to be the same",
            )

    def await_that(
        self, event: threading.Event | threading.Semaphore, what: str, timeout_s: float
    ) -> None:
        """Wait for a message, or for the end of all of them."""
        deadline = time.monotonic() + timeout_s
        while not self._took(event):
            self.check()
            if self._ended.is_set() or time.monotonic() > deadline:
                raise self.late(what, timeout_s)

    @staticmethod
    def _took(event: threading.Event | threading.Semaphore) -> bool:
        if isinstance(event, threading.Event):
            return event.wait(0.05)
        return event.acquire(timeout=0.05)

    def late(self, what: str, timeout_s: float) -> ChannelError:
        """Return the error of an answer that did not come."""
        return ChannelError.of(
            f"destination {self.channel.peer}",
            f"no {what} within {timeout_s:g} s",
            "look at its log for why it stopped",
        )

    def _run(self) -> None:
        try:
            while self.shut is None:
                self._take(self._next())
        except MigkitError as error:
            self.error = error
        finally:
            self._ended.set()
            with self.bitmap_came:
                self.bitmap_came.notify_all()

    def _next(self) -> Message:
        """Read one message, whole."""
        data = self.channel.read(_HEAD_BYTES)
        length = int.from_bytes(data[2:4], "big")
        if length > MOST_MESSAGE_BYTES:
            raise _refused(f"a message of {length} B", f"allowed {MOST_MESSAGE_BYTES} B")
        data += self.channel.read(length)
        bits = b""
        if data[1] == _RECV_BITMAP:  # size, bits and end mark follow outside its length
            size = self.channel.read(8)
            count = int.from_bytes(size, "big")
            name = data[_HEAD_BYTES + 1 :].decode("ascii", "replace")
            most = -(-self.blocks.get(name, 0) // self.page_size // 64) * 8
            if count != most:
                raise _refused(f"a bitmap of {count} B for block {name}", f"allowed {most} B")
            bits = self.channel.read(count)
            data += size + bits + self.channel.read(_END_MARK_BYTES)
        message = next(read_return_path(data, self._block))
        self._block = message.block or self._block
        if bits and message.block:
            found = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
            with self.bitmap_came:
                self.bitmaps[message.block] = found.astype(bool)
                self.bitmap_came.notify_all()
        return message

    def _take(self, message: Message) -> None:
        name, value = message.name, message.value
        if name == "SHUT":
            self.trail.add("source_return_path_thread_shut", value=value)
            self.shut = value
        elif name == "PONG":
            self.trail.add("source_return_path_thread_pong", value=value)
            self.pongs.release()
            if value == PING_PACKAGE_LOADED:
                self.trail.add("source_return_path_thread_postcopy_package_loaded")
                self.package_loaded.set()
        elif name == "SWITCHOVER_ACK":
            self.trail.add("source_return_path_thread_switchover_acked", text="")
            self.acknowledged.set()
        elif name == "RESUME_ACK":
            self.resumed.set()
        elif name.startswith("REQ_PAGES"):
            self._request(message)

    def _request(self, message: Message) -> None:
        block, start, length = message.block or "", message.start or 0, message.length or 0
        used = self.blocks.get(block, 0)
        if start % self.page_size or length % self.page_size or not 0 < start + length <= used:
            found = f"a request for {length} B at {start:#x} of block {block}"
            raise _refused(found, f"allowed whole pages of its {used} B")
        request = Request(self.trail.now_ns(), block, start, length)
        self.trail.add("migrate_handle_rp_req_pages", block=block, start=start, len=length)
        self.trail.add("ram_save_queue_pages", block=block, start=start, len=length)
        self.requests.append(request)
        self.counted.requests += 1
        if self.urgent is not None:
            self.urgent(request)
        else:
            self.waiting.append(request)


def _refused(found: str, allowed: str) -> StreamError:
    return StreamError.of(
        f"return path: {found}", allowed, "look at the destination: its blocks must be the same"
    )
