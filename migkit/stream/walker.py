"""A migration followed as its bytes come, in pieces of any size: `read_stream` for live channels.

Bounded memory: what is held of a channel is the record that has not come whole, of RAM the page.
"""

from __future__ import annotations

from typing import Literal

from migkit.errors import StreamError

from . import wire
from .channel_walks import ChannelSteps, Observer, PacketWalk, ReplyWalk, UrgentWalk
from .gathering import Gathering
from .main_walk import MainWalk, StopHere
from .page_records import MOST_HELD, PageChannel
from .records import Record
from .stream import Stream
from .window import MoreToCome, Window

__all__ = ["ChannelKind", "ChannelWalk", "Observer", "Walker"]

ChannelKind = Literal["main", "multifd", "preempt", "return-path", "tls", "unknown"]

_MAGIC_BYTES = 4
_TLS_HANDSHAKE = 0x16
_LEAST_SPACE = 1 << 16
_FIRST_BYTES = 1 << 21
_MOST_BYTES = 64 << 20


class Walker:
    """Follows all channels of one migration.

    Calls of it and of its channels must not overlap: hold a lock where threads feed them.

    Parameters
    ----------
    pages : bool
        Whether every page record is kept (about 25 bytes each), as `read_stream` does.
    observer : Observer, optional
        Told of each record, batch of pages, packet and message.

    Attributes
    ----------
    error : StreamError or None
        The first thing that was not understood, in any channel; the channel is not read on.
    in_postcopy : bool
        The package that opens postcopy has come.

    Examples
    --------
    >>> walker = Walker()
    >>> main = walker.channel()
    >>> for byte in bytes.fromhex("5145564d 00000003 07 00000004 6e6f6e65 00"):
    ...     main.feed(bytes([byte]))
    >>> main.finish()
    >>> walker.stream("tap").configuration.machine
    'none'
    """

    def __init__(self, *, pages: bool = False, observer: Observer | None = None) -> None:
        self.observer = observer or Observer()
        self.main = MainWalk(keep=pages, taken=self._record)
        self.gathering = Gathering(self.main, keep=pages)
        self.main.tally.watch = lambda *found: self.observer.pages("main", *found)
        self.error: StreamError | None = None
        self.in_postcopy = False
        self._keep = pages
        self._channels: list[ChannelWalk] = []

    def channel(self, *, to_source: bool = False) -> ChannelWalk:
        """Follow another connection.

        Parameters
        ----------
        to_source : bool
            It is the return path; what others are is told by what they begin with.
        """
        self._channels.append(ChannelWalk(self, to_source=to_source))
        return self._channels[-1]

    def stream(self, name: str) -> Stream:
        """Put together what came, once, when all channels are finished.

        Parameters
        ----------
        name : str
            What to call it.

        Returns
        -------
        Stream
            As `read_stream` makes it, without the state of devices.
        """
        for channel in self._channels:
            channel.walk()  # what came before the main stream told its blocks
        size = sum(channel.came for channel in self._channels if channel.kind == "main")
        return self.gathering.stream_of(name, size, b"", (), self.error)

    def _record(self, record: Record) -> None:
        if record.name == "PACKAGED":
            self.main.channel.flush()  # the pages before belong to precopy
            self.in_postcopy = True
        self.gathering.add(record)
        self.observer.record(record)

    def follow(self, kind: ChannelKind) -> ChannelSteps | None:
        """Return what reads a channel of this kind; None where nothing can."""
        if kind == "main":
            self.gathering.connection += 1
            self.main.connect()
            return self.main
        if kind == "multifd":
            return PacketWalk(self.gathering, self.observer, keep=self._keep)
        if kind == "preempt":
            tally = self.gathering.tally("preempt")
            tally.watch = lambda *found: self.observer.pages("preempt", *found)
            return UrgentWalk(self.gathering)
        return ReplyWalk(self.gathering, self.observer) if kind == "return-path" else None

    def kind_of(self, begin: bytes) -> ChannelKind:
        """Tell what a connection to the destination is by its first bytes."""
        if begin == wire.VM_FILE_MAGIC.to_bytes(4, "big"):
            return "main"
        if begin == wire.MULTIFD_MAGIC.to_bytes(4, "big"):
            return "multifd"
        if begin[:1] == bytes([wire.COMMAND]) and self.main.resumes:
            return "main"
        if begin[:1] == bytes([_TLS_HANDSHAKE]):
            return "tls"
        return "preempt" if self.main.blocks.listed else "unknown"

    def fail(self, error: StreamError) -> None:
        """Remember the first thing that was not understood."""
        self.error = self.error or error


class ChannelWalk:
    """Follows one direction of one connection; `Walker.channel` makes it.

    Attributes
    ----------
    kind : str or None
        What it is; None until enough has come.
    stopped : bool
        It came to where the observer or `MainWalk.stop_before` stopped it, see `settled`.
    """

    def __init__(self, walker: Walker, *, to_source: bool) -> None:
        self.kind: ChannelKind | None = "return-path" if to_source else None
        self.stopped = False
        self._walker = walker
        self._steps = walker.follow("return-path") if to_source else None
        self._buffer = bytearray(_LEAST_SPACE if to_source else _FIRST_BYTES)
        self._at = self._end = self._base = 0

    @property
    def settled(self) -> int:
        """Bytes of the channel that were read: what follows is not known yet."""
        return self._base + self._at

    @property
    def came(self) -> int:
        """Bytes of the channel that have come."""
        return self._base + self._end

    @property
    def crowded(self) -> bool:
        """Less than half of the buffer is left: read before more comes."""
        return 2 * self._end > len(self._buffer)

    def space(self) -> memoryview:
        """Return where the next bytes belong; say how many came by `filled`."""
        if self.crowded:
            held, room = self._end - self._at, len(self._buffer)
            if 4 * held > room:
                room *= 2
            fresh = self._buffer if room == len(self._buffer) else bytearray(room)
            memoryview(fresh)[:held] = memoryview(self._buffer)[self._at : self._end]
            self._base += self._at
            self._buffer, self._at, self._end = fresh, 0, held
        return memoryview(self._buffer)[self._end :]

    def held(self, place: int, count: int) -> memoryview:
        """Return bytes that came and were not read, or came since the last call of `space`."""
        at = place - self._base
        return memoryview(self._buffer)[at : at + count]

    def forget(self, place: int) -> None:
        """Leave out what came behind a place, as far as it was not read."""
        self._end = min(self._end, max(self._at, place - self._base))

    def filled(self, count: int) -> None:
        """Say how many bytes came into the space."""
        self._end += count

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes and read them."""
        rest = memoryview(data)
        while rest:
            space = self.space()
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            space.release()
            self.filled(count)
            self.walk()
            rest = rest[count:]

    def walk(self, *, quiet: bool = False) -> None:
        """Read as much as has come.

        Parameters
        ----------
        quiet : bool
            Nothing more came for a while: a section without a length may end here.
        """
        self._walk(last=False, quiet=quiet)

    def finish(self) -> None:
        """Read the rest: nothing more will come. Where it was stopped the channel ends."""
        if self.stopped:
            self.stopped, self._end = False, self._at
        if isinstance(self._steps, PacketWalk) and not self._walker.main.blocks.listed:
            return  # the main stream is late; `Walker.stream` reads it then
        self._walk(last=True, quiet=True)
        self.flush()
        # Megabytes that nobody fills again; what refers to each other here is freed late.
        self._buffer = self._buffer[self._at : self._end]
        self._base, self._end, self._at = self._base + self._at, self._end - self._at, 0

    def flush(self) -> None:
        """Count the pages that were read."""
        channel = self._pages()
        if channel is not None:
            channel.flush()
            channel.goes_on(self.settled)

    def limit(self, pages: int | None) -> None:
        """Let the observer see pages after so many at the latest; None for the usual number."""
        channel = self._pages()
        if channel is not None:
            self.flush()
            channel.most = MOST_HELD if pages is None else max(pages, 1)

    def _pages(self) -> PageChannel | None:
        steps = self._steps
        return steps.channel if isinstance(steps, (MainWalk, UrgentWalk)) else None

    def _walk(self, *, last: bool, quiet: bool) -> None:
        if self.kind is None:
            self._identify(last=last)
        if self.kind is None or self.stopped:
            return
        if self._steps is None:
            self._at = self._end
            return
        data: bytearray = self._buffer
        at, end, base = self._at, self._end, self._base
        if quiet:  # what lies behind the end in the buffer is old
            data, at, end, base = data[at:end], 0, end - at, base + at
        window = Window(data, at, end, base, last=last, quiet=quiet)
        try:
            self._read(window)
        except MoreToCome:
            window.at = window.mark
        except StopHere:
            self.stopped = True
        except StreamError as error:
            self._give_up(error)
            window.at = window.end
        self._at = window.place - self._base
        if self._end - self._at > _MOST_BYTES:
            found = f"more than {_MOST_BYTES} B without an end"
            fix = "record the channels, and read them with migkit stream show"
            self._give_up(StreamError.at(self.settled, window.record, found, fix))

    def _read(self, window: Window) -> None:
        if self._steps is None:
            return
        while window.left:
            window.mark = window.at
            self._steps.step(window)
        if window.last and isinstance(self._steps, MainWalk) and not self._steps.ended:
            self._steps.step(window)  # says what is missing

    def _give_up(self, error: StreamError) -> None:
        self._walker.fail(error)
        self.flush()
        self._steps = None

    def _identify(self, *, last: bool) -> None:
        begin = bytes(self._buffer[: min(_MAGIC_BYTES, self._end)])
        if len(begin) < _MAGIC_BYTES and not (last and begin):
            return
        self.kind = self._walker.kind_of(begin)
        self._steps = self._walker.follow(self.kind)
        if self.kind == "unknown":
            found = f"it begins with {begin.hex()}, which no channel of a migration does"
            self._walker.fail(StreamError.at(0, "channel", found, "pass on a migration of QEMU"))
