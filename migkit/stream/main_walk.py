"""The main stream, followed as its bytes come: its records, and RAM's pages before a section ends.

The grammar is `MainStream`'s. A record that has not come whole is read again from its begin; of
a section of RAM, which may have any size, only the page that is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from migkit.errors import StreamError

from . import wire
from .commands import read_command
from .configuration import read_header
from .cursor import Cursor
from .footers import Ending, find_footer, read_footer
from .records import KIND_NAMES, Head, MainStream, Record
from .window import MoreToCome, Window

__all__ = ["MainWalk", "StopHere"]

_LOOK_AHEAD = 1 + 4 + 1 + 255 + 8
"""Bytes behind a footer that tell it from chance: the head of a section with the longest name."""


class StopHere(Exception):  # noqa: N818 - no error: somebody asked for it
    """The walk has come to where it was asked to stop."""


class _Open(NamedTuple):
    """A section of RAM whose end has not come."""

    kind: int
    start: int
    body: int
    head: Head


class MainWalk(MainStream):
    """Reads a main stream step by step.

    Parameters
    ----------
    keep : bool
        Whether every page is kept.
    taken : callable
        Gets each record when its end has come.

    Attributes
    ----------
    stop_before : callable or None
        Told kind and name of each section of RAM that begins; the walk stops before it if true.
    """

    def __init__(self, *, keep: bool, taken: Callable[[Record], None]) -> None:
        super().__init__(keep=keep)
        self.stop_before: Callable[[str, str], bool] | None = None
        self._taken = taken
        self._open: _Open | None = None
        self.connect()

    def connect(self) -> None:
        """Expect the begin of a connection, the first or one after a recovery."""
        self._open = None
        self._described = False
        self._next: Callable[[Window], None] = self._begin

    @property
    def ended(self) -> bool:
        """The stream has come to its end."""
        return self._next == self._behind

    @property
    def resumes(self) -> bool:
        """RAM was announced: a connection that begins with a command goes on with it."""
        return bool(self._started)

    def step(self, window: Window) -> None:
        """Read what comes next, raising `MoreToCome` where it is not there whole."""
        try:
            self._next(window)
        except StreamError:
            self.break_off(window)
            raise

    def break_off(self, window: Cursor) -> None:
        """Hand on the section that is open: it will not end."""
        if self._open is not None:
            self._close(window)

    def _begin(self, window: Window) -> None:
        if self.resumes and window.left and window.data[window.at] == wire.COMMAND:
            self.channel.block = None
            self.channel.break_sweep()
        else:
            start = window.place
            configuration = read_header(window)
            if not (window.last or window.left):
                raise MoreToCome  # a member of it may follow
            self.configuration = configuration
            length = window.place - start
            self._taken(self.count(Record("configuration", start, length)))
        self._next = self._whole_record

    def _whole_record(self, window: Window) -> None:
        kind = self._kind(window)
        if kind == wire.VM_EOF:
            self._taken(self.count(Record("eof", window.place - 1, 1)))
            self._next = self._behind
            return
        known = len(self._started)
        try:
            if kind == wire.COMMAND:
                self._expect_package(window)
            elif kind in KIND_NAMES and kind != wire.SECTION_FULL:
                head = self._peek_head(window, kind)
                if head.name == "ram":
                    self._enter(window, kind, head)
                    return
            for record in self._record(window, kind, in_package=False):
                self._taken(record)
        except MoreToCome:
            while len(self._started) > known:
                self._started.popitem()
            raise

    def _expect_package(self, window: Window) -> None:
        """Wait for a package as a whole; its length stands in its command."""
        ahead = Window(window.data, window.at, window.end, window.base, last=window.last)
        ahead.record = window.record
        command = read_command(ahead)
        if command.name == "PACKAGED" and not window.last:
            ahead.need(command.value or 0, "package")

    def _peek_head(self, window: Window, kind: int) -> Head:
        at = window.at
        head = self._head(window, kind)
        if head.name != "ram":
            if kind == wire.SECTION_START:
                self._started.pop(head.section_id)
            window.at = at
        return head

    def _enter(self, window: Window, kind: int, head: Head) -> None:
        """Read what stands before the pages of a section of RAM."""
        name = KIND_NAMES[kind]
        if self.stop_before is not None and self.stop_before(name, head.name):
            window.at = window.mark
            raise StopHere
        window.record = f"section {name} of {head.name} ({head.section_id})"
        body = window.place
        opened = _Open(kind, window.base + window.mark, body, head)
        self.channel.begin(window, self._rows)
        listed = bool(self.blocks.listed)
        try:
            self._ram(window, kind, head)
        except MoreToCome:
            if not listed:
                self.blocks.clear()
            raise
        except StreamError:
            self._open = opened
            raise
        self._open = opened
        self.channel.goes_on(window.place)
        self._next = self._pages

    def _pages(self, window: Window) -> None:
        self._name(window)
        self.channel.read_on(window)
        self._next = self._footer

    def _footer(self, window: Window) -> None:
        if self._open is not None:
            self._name(window)
            read_footer(window, self._open.head.section_id)
            self._close(window)
        self._next = self._whole_record

    def _name(self, window: Window) -> None:
        if self._open is not None:
            kind, head = KIND_NAMES[self._open.kind], self._open.head
            window.record = f"section {kind} of {head.name} ({head.section_id})"

    def _close(self, window: Cursor) -> None:
        if self._open is None:
            return
        kind, start, body, head = self._open
        length = window.place - start
        row = Record(KIND_NAMES[kind], start, length, *head[:3], head.name, None, False, body,
                     self.channel.flushes)  # fmt: skip
        self._open = None
        self._taken(self.count(row))

    def _behind(self, window: Window) -> None:
        """Step over the description of devices, and count what is behind the end."""
        if window.data[window.at] == wire.VMDESCRIPTION and not self._described:
            self._taken(self._read_description(window))
            self._described = True
        else:
            self._described = True
            self.trailing += window.left
            window.at = window.end

    def _to_footer(self, cursor: Cursor, head: Head, ending: Ending) -> None:
        if not isinstance(cursor, Window) or cursor.quiet:
            super()._to_footer(cursor, head, ending)
            return
        inside = Cursor(cursor.data, cursor.at, max(cursor.at, cursor.end - _LOOK_AHEAD))
        try:
            find_footer(inside, head.section_id, ending)
        except StreamError:
            raise MoreToCome from None
        cursor.at = inside.at
