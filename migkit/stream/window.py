"""The part of a channel that has come and was not read yet, and what is said when it is short."""

from __future__ import annotations

from .cursor import Buffer, Cursor

__all__ = ["MoreToCome", "Window"]


class MoreToCome(Exception):  # noqa: N818 - no error: the rest of a record is on its way
    """What is to be read next has not come whole."""


class Window(Cursor):
    """A cursor over the bytes that have come so far.

    Where a `Cursor` finds a stream cut off, this one raises `MoreToCome`: reading begins again at
    the mark when there is more. What it reads with stays the one grammar of this package.

    Parameters
    ----------
    data, at, end, base
        As of a `Cursor`.
    last : bool
        No more will come: it is a `Cursor` then.
    quiet : bool
        Nothing came for a while: a section without a length may end with the last byte.
    """

    __slots__ = ("last", "quiet")

    def __init__(
        self, data: Buffer, at: int, end: int, base: int, *, last: bool, quiet: bool = False
    ) -> None:
        super().__init__(data, at, end, base)
        self.last = last
        self.quiet = quiet or last

    def need(self, count: int, what: str) -> None:
        """Refuse to go on if fewer bytes are left."""
        if count > self.left:
            if not self.last:
                raise MoreToCome
            super().need(count, what)

    def peek_u64(self) -> int:
        """Return the next be64 and stay."""
        if not self.last:
            self.need(8, "word")
        return super().peek_u64()
