"""One direction of one connection: bytes are passed on, and read behind that."""

from __future__ import annotations

import select
import threading
from typing import BinaryIO

from migkit.channels import Channel
from migkit.errors import ChannelError
from migkit.stream.walker import ChannelWalk

from .counts import INTERVAL_NS
from .shaping import Outlet
from .state import Shared

__all__ = ["Flow"]

_QUIET_S = 0.2


class Flow:
    """Passes on what one end sends, in a thread of its own.

    Without a cut that depends on the stream, bytes are passed on first and read afterwards, in
    large pieces or when nothing more is there. With one, they are read first, and only what was
    read passes: not a byte behind the event.

    Parameters
    ----------
    shared : Shared
        Of the tap.
    near, far : Channel
        Where bytes come from, and where they go.
    to_source : bool
        It is the return path.
    number : int
        Of the connection.
    spool : binary file or None
        Gets a copy.

    Attributes
    ----------
    severed : bool
        Nothing is passed on any more.
    first_ns, last_ns : int or None
        When the first and the last byte passed.
    passed : int
        Bytes.
    intervals : dict
        Number of the interval to bytes that passed in it.
    """

    def __init__(
        self,
        shared: Shared,
        near: Channel,
        far: Channel,
        *,
        to_source: bool,
        number: int,
        spool: BinaryIO | None,
    ) -> None:
        self.severed = False
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.passed = 0
        self.intervals: dict[int, int] = {}
        self._poll = select.poll()
        self._poll.register(near.fileno(), select.POLLIN)
        self._shared = shared
        self._near, self._far = near, far
        self._to_source = to_source
        # The main stream's messages are those of the engine's main channel.
        way = 2 * number + (2 if to_source else 1) if number or to_source else 0
        self._outlet = Outlet(far, shared.pace, way, back=to_source)
        self._shared_out = False
        self._spool = spool
        self._interval = 0
        with shared.lock:
            self.walk: ChannelWalk = shared.walker.channel(to_source=to_source)
        self.thread = threading.Thread(target=self._run, name="tap", daemon=True)

    def _run(self) -> None:
        try:
            self._pump()
        except ChannelError:  # an end is gone: the other one is told
            self._near.shutdown()
        finally:
            self._finish()
        self._outlet.finish()
        if not self.severed:
            try:
                self._far.shut_write()
            except ChannelError:
                self._far.shutdown()

    def _pump(self) -> None:
        shared, walk, near = self._shared, self.walk, self._near
        while True:
            piece = shared.pace.piece
            held = shared.armed and not self._to_source
            if held and not near.ready(_QUIET_S):
                self._read(quiet=True)
                self._pass_on(walk.settled - self.passed)
            count = near.read_some_into(walk.space()[:piece])
            if not count:
                if held and not self.severed:
                    self._pass_rest()
                return
            if self.severed:
                continue  # what an end still sends is let go, so that it can close in peace
            now = shared.now()
            walk.filled(count)
            if walk.kind == "main":
                shared.counts.main_came(walk.came, now)
            if self.first_ns is None:
                self.first_ns = now
            if held:
                self._read()
                self._pass_on(walk.settled - self.passed)
                if walk.stopped:
                    self._cut()
                continue
            self._pass_on(walk.came - self.passed)
            if self._to_source or walk.crowded or self._idle():
                self._read()

    def _pass_rest(self) -> None:
        """Pass on what was held back of a record that breaks off, unless the event is in it."""
        self._read(quiet=True)
        stopped = self.walk.stopped
        self._pass_on((self.walk.settled if stopped else self.walk.came) - self.passed)
        if stopped:
            self._cut()

    def _idle(self) -> bool:
        """Tell whether nothing more is there at the moment."""
        return not self._poll.poll(0)

    def _read(self, *, quiet: bool = False) -> None:
        """Let the walk follow; pages are counted for the interval in which they came."""
        shared = self._shared
        with shared.lock:
            now = shared.counts.tick()
            if now // INTERVAL_NS != self._interval:
                shared.counts.now_ns = min(now, (self._interval + 1) * INTERVAL_NS - 1)
                self.walk.flush()
                shared.counts.now_ns = now
                self._interval = now // INTERVAL_NS
            if shared.armed:
                shared.limit_pages(self.walk)
            known = self.walk.kind
            self.walk.walk(quiet=quiet)
            if known is None and self.walk.kind == "main":
                shared.counts.main_begins()
                shared.counts.main_came(self.walk.came, now)
            if shared.walker.in_postcopy and not self.walk.stopped:
                self.walk.flush()
            if self.walk.kind == "multifd" and not self._shared_out:
                self._shared_out = True
                shared.joined()

    def _pass_on(self, count: int) -> None:
        """Pass on what comes next of the bytes that are held."""
        while count > 0 and not self.severed:
            piece = min(count, self._shared.pace.piece)
            left_ns = self._shared.now()
            if not self._to_source:
                piece = self._shared.grant(piece)
                left_ns = self._shared.pace.wait(piece)
            view = self.walk.held(self.passed, piece)
            if self._spool is not None:
                self._shared.spool.write(self._spool, view)
            if not self._written(view, left_ns):
                return
            self.passed += piece
            count -= piece
            self.last_ns = self._shared.now()
            interval = left_ns // INTERVAL_NS
            self.intervals[interval] = self.intervals.get(interval, 0) + piece
            if self._shared.spent:
                self._cut()

    def _written(self, view: memoryview, left_ns: int) -> bool:
        """Write, and tell whether it went: a source that has closed wants no more answers."""
        try:
            self._outlet.write(view, left_ns)
        except ChannelError:
            if self._to_source or self.severed:
                self.severed = True
                return False
            raise
        finally:
            view.release()
        return True

    def _cut(self) -> None:
        self._outlet.finish()
        self._shared.cut_now()

    def _finish(self) -> None:
        with self._shared.lock:
            self._shared.counts.tick()
            if self._shared.cut_ns is not None and not self._to_source:
                self.walk.forget(self.passed)
            self.walk.finish()
        if self._spool is not None:
            self._spool.close()
