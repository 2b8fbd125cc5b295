"""When bytes, pages and requests passed."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any

import numpy as np

from migkit.stream.records import Record
from migkit.stream.return_path import Message
from migkit.stream.walker import Observer, Walker

__all__ = ["INTERVAL_NS", "Counts"]

INTERVAL_NS = 100_000_000
_KINDS = 3
_FEW = 512
_MOST_PLACES = 1 << 16


class Counts(Observer):
    """What a tap counts over time.

    The tap's lock is held for each call but `since` and `main_came`, which the thread of the main
    stream alone calls.

    Attributes
    ----------
    since_ns : int or None
        When the first byte came, by the monotonic clock.
    now_ns : int
        Time of what is being counted, after the first byte.
    intervals : dict
        Number of the interval to pages by kind.
    sections : list of (int, int)
        First and last time of each record of the main stream.
    requests : list of list
        Time, block, page in it, number of pages, and latency or None.
    postcopy_pages : int
        Pages behind the package that opens postcopy.
    """

    def __init__(self) -> None:
        self.walker: Walker | None = None
        self.since_ns: int | None = None
        self.now_ns = 0
        self.intervals: dict[int, list[int]] = {}
        self.sections: list[tuple[int, int]] = []
        self.requests: list[list[Any]] = []
        self.pages_seen = self.postcopy_pages = 0
        self._passed: list[tuple[int, int]] = []
        self._asked: dict[int, list[list[Any]]] = {}

    def since(self) -> int:
        """Return the time after the first byte; the first call is its time."""
        now = time.monotonic_ns()
        if self.since_ns is None:
            self.since_ns = now
        return now - self.since_ns

    def tick(self) -> int:
        """Take the time for what is counted next."""
        self.now_ns = self.since()
        return self.now_ns

    def _interval(self) -> list[int]:
        return self.intervals.setdefault(self.now_ns // INTERVAL_NS, [0] * _KINDS)

    def main_came(self, end: int, now_ns: int) -> None:
        """Note how far the main stream has come."""
        if len(self._passed) < _MOST_PLACES:  # more only where the stream is not understood
            self._passed.append((end, now_ns))

    def main_begins(self) -> None:
        """Expect a main stream, from its byte 0 on."""
        self._passed = []

    def record(self, record: object) -> None:
        """Take a record of the main stream."""
        if not isinstance(record, Record):
            return
        ends = [end for end, _ in self._passed]
        first = bisect_left(ends, record.offset + 1)
        last = bisect_left(ends, record.offset + record.length)
        self.sections.append((self._time(first), self._time(last)))
        self._passed = self._passed[first:]

    def _time(self, index: int) -> int:
        return self._passed[index][1] if index < len(self._passed) else self.now_ns

    def pages(self, channel: str, pages: Any, kinds: Any, lengths: Any) -> None:
        """Take page records of the main or the preempt channel."""
        del channel, lengths
        interval = self._interval()
        for kind, number in enumerate(np.bincount(kinds, minlength=_KINDS)):
            interval[kind] += int(number)
        self.pages_seen += len(pages)
        if self.walker is not None and self.walker.in_postcopy:
            self.postcopy_pages += len(pages)
        if self._asked:
            self._arrive(pages)

    def _arrive(self, pages: Any) -> None:
        if len(pages) > _FEW:
            pages = pages[np.isin(pages, np.fromiter(self._asked, np.int64))]
        for page in pages.tolist():
            for request in self._asked.pop(page, ()):
                request[-1] = self.now_ns - request[0]

    def packet(self, packet: Any) -> None:
        """Take a multifd packet."""
        interval = self._interval()
        interval[0] += packet.normal_pages
        interval[1] += packet.zero_pages
        self.pages_seen += packet.normal_pages + packet.zero_pages

    def message(self, message: Message) -> None:
        """Take a message of the return path: a request is remembered until its page passes."""
        if message.name not in {"REQ_PAGES", "REQ_PAGES_ID"} or self.walker is None:
            return
        blocks = self.walker.main.blocks
        number = blocks.number.get((message.block or "").encode())
        start, length = message.start or 0, message.length or 0
        page, pages = start // blocks.page_size, length // blocks.page_size
        request = [self.now_ns, message.block, page, pages, None]
        self.requests.append(request)
        if number is not None:
            first = blocks.listed[number].first_page + page
            self._asked.setdefault(first, []).append(request)
