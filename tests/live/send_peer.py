"""A scripted destination on a UNIX socket, and a small saved guest to send to it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from migkit.live.sending import guest_writes, limiter, ram, trail
from migkit.live.sending.counted import Counted
from migkit.stream import writer, writing_messages
from migkit.stream.blocks import Block
from migkit.stream.configuration import Configuration
from migkit.stream.writing_pages import PageWriter

LIMIT_S = 60.0
SIZE = 4096
SECTION = 1
TIMER = writer.head_full(0, "timer", 0, 2) + bytes(range(24)) + writer.footer(0)
VMDESC = b'{"configuration": {}, "page_size": 4096, "devices": []}'
RUN = writer.command("POSTCOPY_RUN")
ENDED = writer.EOS + writer.footer(SECTION)
PRECOPY_END = writer.EOF + writer.description(VMDESC)
POSTCOPY_END = ENDED + writer.EOF


def contents(pages: int, zero: int, seed: int = 5) -> np.ndarray:
    """Make memory: pages of random bytes, then zero pages."""
    data = np.random.default_rng(seed).bytes(pages * SIZE)
    return np.frombuffer(data + bytes(zero * SIZE), np.uint8)


def save_guest(path: Path, blocks: dict[str, np.ndarray]) -> Path:
    """Write the stream of ``migrate file:`` of a stopped guest."""
    pages, first, listed = PageWriter(SIZE), 0, []
    body = b""
    for name, memory in blocks.items():
        listed.append(Block(name, len(memory), first))
        count = len(memory) // SIZE
        first += count
        zero = ~memory.reshape(-1, SIZE).any(axis=1)
        body += b"".join(pages.records(name, np.arange(count), zero, memory.data))
    head = writer.header(Configuration("none")) + writer.head_start(SECTION, "ram", 0, 4)
    setup = head + writer.block_list(listed) + ENDED
    ram = writer.head_end(SECTION) + body + ENDED
    path.write_bytes(setup + writer.command("SWITCHOVER_START") + ram + TIMER + PRECOPY_END)
    return path


class Clock:
    """A source's time: it stands still while bytes are written, and moves while somebody sleeps.

    What is decided by it is the same on any machine.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5_000_000_000
        for module in (limiter, ram, guest_writes, trail):
            monkeypatch.setattr(module, "time", self)

    def monotonic_ns(self) -> int:
        return self.now

    def time_ns(self) -> int:
        return 1_700_000_000 * 10**9 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


def holding(*requests: int, then: Callable[[], object] = lambda: None) -> Callable[..., None]:
    """Make what holds a source in postcopy, however fast it or its destination is.

    It waits behind a pass until so many requests have come, behind the next one for the next
    number, and does something behind each that follows.
    """
    left = list(requests)

    def hold(counted: Counted) -> None:
        if not counted.postcopy_bytes:
            return
        if not left:
            then()
            return
        count, end = left.pop(0), time.monotonic() + LIMIT_S
        while counted.requests < count:
            assert time.monotonic() < end, f"{counted.requests} requests came, not {count}"
            time.sleep(0.001)

    return hold


class Peer:
    """Reads what a source sends, and answers by a script.

    `script` is called with the peer whenever bytes have come; it answers with `say`. When the
    stream ends with `end`, the peer says SHUT.
    """

    def __init__(
        self,
        path: Path,
        end: bytes,
        script: Callable[[Peer], object] = lambda peer: None,
        *,
        shut: int | None = 0,
    ) -> None:
        self.uri = f"unix:{path}"
        self.data, self.said, self.others = bytearray(), b"", []
        self.end, self.script, self.shut = end, script, shut
        self.connection = socket.socket()
        self._done = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._threads: list[threading.Thread] = []
        self._begin(self._main)

    def say(self, data: bytes) -> None:
        self.said += data
        self.connection.sendall(data)

    def cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def request(self, requests: writing_messages.RequestWriter, block: str, page: int) -> None:
        self.say(requests.request(block, page * SIZE, SIZE))

    def join(self) -> bytes:
        """Wait for the end of all connections; return what came on the main one."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()
        self._listener.close()
        return bytes(self.data)

    def _begin(self, target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _main(self) -> None:
        self.connection, _ = self._listener.accept()
        self._begin(self._more)
        with self.connection:
            while chunk := self._receive(self.connection):
                self.data += chunk
                self.script(self)
                if self.shut is not None and not self._done and self.data.endswith(self.end):
                    self._done = True
                    with contextlib.suppress(OSError):  # a source without a return path is gone
                        self.say(writing_messages.shut(self.shut))

    def _more(self) -> None:
        """Take further channels: of multifd or of postcopy-preempt."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            data = bytearray()
            self.others.append(data)
            self._begin(lambda c=connection, d=data: self._fill(c, d))

    def _fill(self, connection: socket.socket, data: bytearray) -> None:
        with connection:
            while chunk := self._receive(connection):
                data += chunk

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        try:
            return connection.recv(1 << 18)
        except OSError:
            return b""
