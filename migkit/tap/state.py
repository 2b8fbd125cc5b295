"""What the connections of one migration share: the walk, the counts, and whether it was cut."""

from __future__ import annotations

import threading
from collections.abc import Callable

from migkit.stream.main_walk import StopHere
from migkit.stream.walker import ChannelWalk, Walker

from .counts import Counts
from .cuts import Cut
from .line import Line
from .shaping import Pace
from .spool import Spool

__all__ = ["Shared"]


class _Counting(Counts):
    """Counts, and stops a walk behind the page at which all is to be cut."""

    def __init__(self, cut: Cut | None) -> None:
        super().__init__()
        self.stop_at = cut.amount if cut is not None and cut.event == "postcopy" else None

    def record(self, record: object) -> None:
        """Take a record of the main stream; behind the package each page is counted."""
        super().record(record)
        if self.stop_at is not None and self.walker is not None and self.walker.in_postcopy:
            self.walker.main.channel.most = max(1, self.stop_at - self.postcopy_pages)

    def pages(self, channel: str, pages: object, kinds: object, lengths: object) -> None:
        """Take page records."""
        super().pages(channel, pages, kinds, lengths)
        if self.stop_at is not None and self.postcopy_pages >= self.stop_at:
            raise StopHere


class Shared:
    """State of a tap, guarded by one lock.

    Parameters
    ----------
    cut : Cut or None
        When to break the connections.
    line : Line
        The link between the two.
    pages : bool
        Whether each page is kept.
    spool_limit : int
        Bytes that copies of all channels may take.
    sever : callable
        Breaks all connections; called once.

    Attributes
    ----------
    armed : bool
        A cut depends on what is in the stream: bytes pass when they were read.
    stop : threading.Event
        Set when nothing is to wait any longer.
    cut_ns : int or None
        When it was cut.
    """

    def __init__(
        self,
        cut: Cut | None,
        line: Line,
        *,
        pages: bool,
        spool_limit: int,
        sever: Callable[[], None],
    ) -> None:
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self.pace = Pace(line, self.clock, self.stop)
        self._sharing = 0
        self.counts = _Counting(cut)
        self.walker = Walker(pages=pages, observer=self.counts)
        self.counts.walker = self.walker
        self.spool = Spool(spool_limit)
        self.armed = cut is not None and cut.event in {"save_complete", "postcopy"}
        self.cut_ns: int | None = None
        self._left = cut.amount if cut is not None and cut.event == "bytes" else None
        self._after_ns = cut.amount if cut is not None and cut.event == "time" else None
        self._sever = sever
        self._timer: threading.Timer | None = None
        if cut is not None and cut.event == "save_complete":
            self.walker.main.stop_before = lambda kind, _: kind == "end"

    def now(self) -> int:
        """Return the time after the first byte; a cut after a time counts from there too."""
        if self.counts.since_ns is not None:
            return self.counts.since()
        with self.lock:
            first = self.counts.since_ns is None
            now = self.counts.since()
            if first and self._after_ns is not None:
                self._timer = threading.Timer(self._after_ns / 1e9, self.cut_now)
                self._timer.daemon = True
                self._timer.start()
            return now

    def clock(self) -> int:
        """Return the time after the first byte; 0 before it."""
        return 0 if self.counts.since_ns is None else self.counts.since()

    def grant(self, count: int) -> int:
        """Return how many of so many bytes may pass before the cut."""
        if self._left is None:
            return count
        with self.lock:
            granted = min(count, self._left)
            self._left -= granted
            return granted

    @property
    def spent(self) -> bool:
        """All bytes before the cut have passed."""
        return self._left == 0

    def limit_pages(self, walk: ChannelWalk) -> None:
        """Let a walk stop behind the page of the cut."""
        if self.counts.stop_at is not None and self.walker.in_postcopy:
            walk.limit(self.counts.stop_at - self.counts.postcopy_pages)

    def cut_now(self) -> None:
        """Break all connections; once, later calls do nothing."""
        with self.lock:
            if self.cut_ns is not None or self.stop.is_set():
                return
            self.cut_ns = self.counts.tick()
            self.armed = False
            self._left = None
            self.counts.stop_at = None
            self.walker.main.stop_before = None
            self._sharing = 0
        self.pace.recover()
        self._sever()

    def joined(self) -> None:
        """Note one more multifd channel: all of them share the link."""
        with self.lock:
            self._sharing += 1
            self.pace.share(self._sharing)

    def close(self) -> None:
        """Let nothing wait any longer."""
        self.stop.set()
        self.pace.close()
        if self._timer is not None:
            self._timer.cancel()
