"""Requests for pages in postcopy: a thread that faults as its pattern says, and how long it took.

Source: migration/postcopy-ram.c (postcopy_ram_fault_thread, postcopy_request_page).
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from migkit.errors import ChannelError
from migkit.stream.writing_messages import RequestWriter

from .arena import Arena
from .faults import FaultPattern

__all__ = ["Requests"]


class Account(Protocol):
    """Who waits for what; see `migkit.live.guest.fault_account`."""

    def begin(self, page: int) -> None:
        """Note a fault."""

    def end(self, pages: Iterable[int]) -> None:
        """Note that pages came."""


class Requests:
    """Asks for pages and records when each came.

    Parameters
    ----------
    pattern : FaultPattern
        Which pages, and when.
    arena : Arena
        What is there.
    send : callable
        Writes a message to the source; raises ChannelError while the connection is broken.
    seed : int
        For patterns with chance.
    account : Account, optional
        Told, under the lock, of each fault that is asked for and of pages that came.

    Attributes
    ----------
    sent : int
        Messages that the source got.
    """

    def __init__(
        self,
        pattern: FaultPattern,
        arena: Arena,
        send: Callable[[bytes], None],
        seed: int,
        account: Account | None = None,
    ) -> None:
        self._account = account
        self._arena, self._send = arena, send
        self._faults = pattern(lambda: ~arena.received, seed)
        self._writer = RequestWriter()
        self._asked_s = np.full(arena.blocks.pages, np.nan)
        self._waiting = np.zeros(arena.blocks.pages, np.bool_)
        self._lock = threading.Lock()
        # A source that reads no requests must not keep us from noting what it sends.
        self._sending = threading.Lock()
        self._stopped = threading.Event()
        self._connected = threading.Event()
        self._connected.set()
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self.sent = 0
        self.page, self.asked_s, self.latency_s = array("q"), array("d"), array("d")

    def columns(self) -> dict[str, list[Any]]:
        """Return what was asked for and came so far: ``t_s``, ``page`` and ``latency_us``."""
        with self._lock:
            page, asked, took = list(self.page), list(self.asked_s), list(self.latency_s)
        return {"t_s": asked, "page": page, "latency_us": [s * 1e6 for s in took]}

    def start(self) -> None:
        """Let the guest run."""
        self._began_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more."""
        self._stopped.set()
        self._connected.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def arrived(self, pages: npt.NDArray[np.int64], at_s: float) -> None:
        """Note that pages were placed; those that were asked for have a latency now."""
        with self._lock:
            self._end(pages)
            for page in pages[self._waiting[pages]].tolist():
                self._waiting[page] = False
                self.page.append(page)
                self.asked_s.append(self._asked_s[page] - self._began_s)
                self.latency_s.append(at_s - self._asked_s[page])

    def placed(self, pages: npt.NDArray[np.int64]) -> None:
        """Note for the account that pages are in place; `arrived` follows for the rest."""
        with self._lock:
            self._end(pages)

    def _end(self, pages: npt.NDArray[np.int64]) -> None:
        if self._account is not None:
            self._account.end(pages[self._waiting[pages]].tolist())

    def _run(self) -> None:
        received = self._arena.received
        for moment, page in self._faults:
            wait = self._began_s + moment - time.monotonic()
            if self._stopped.wait(max(0.0, wait)):
                return
            if 0 <= page < len(received) and not received[page]:
                self._ask(page)

    def _ask(self, page: int) -> None:
        """Ask for a page, also where it was asked for before, as a second vCPU does.

        While the connection is broken it waits, and its time counts. It is asked for once more
        after that, though `resumed` has done so: as QEMU's thread tries again.
        """
        if not self._wait_for(page):
            return
        while not self._stopped.is_set():
            self._connected.wait()
            with self._sending:
                if self._arena.received[page]:
                    return
                try:
                    self._send(self._message(page))
                except ChannelError:
                    self._connected.clear()
                    continue
                self.sent += 1
                return

    def _wait_for(self, page: int) -> bool:
        """Note that a page is waited for; False where it is there."""
        with self._lock:
            if self._arena.received[page]:
                return False
            if not self._waiting[page]:
                self._waiting[page] = True
                self._asked_s[page] = time.monotonic()
            if self._account is not None:
                self._account.begin(page)
            return True

    def _message(self, page: int) -> bytes:
        blocks = self._arena.blocks
        number = int(np.searchsorted(blocks.first_pages(), page, side="right")) - 1
        block = blocks.listed[number]
        size = block.page_bytes or max(blocks.page_size, 4096)
        start = (page - block.first_page) * blocks.page_size // size * size
        return self._writer.request(block.name, start, size)

    @property
    def waits(self) -> bool:
        """Whether a page is waited for."""
        return bool((self._waiting & ~self._arena.received).any())

    def broken(self) -> None:
        """Hold back: the connection is broken."""
        self._connected.clear()

    def resumed(self) -> None:
        """Ask again for what is still waited for, and go on; see RESUME_ACK."""
        with self._sending:
            self._writer.forget_block()
            for page in np.flatnonzero(self._waiting & ~self._arena.received).tolist():
                try:
                    self._send(self._message(page))
                except ChannelError:
                    return  # it broke again, which the main stream tells too
                self.sent += 1
        self._connected.set()
