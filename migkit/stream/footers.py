"""Where a section ends that tells no length: at the next footer that what follows bears out.

A device's state may hold the bytes of a footer by chance. Source: migration/savevm.c
(save_section_footer).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from . import wire
from .cursor import Cursor

__all__ = ["Ending", "find_footer", "read_footer"]

_MOST_CANDIDATES = 10_000
_HEAD_BYTES = 7
"""What is looked at of the record behind a footer; longer where it has a name."""


@dataclass(frozen=True)
class Ending:
    """What tells a footer from chance.

    Attributes
    ----------
    cursor : Cursor
        In the stream, or in the package.
    started : collection of int
        Ids of sections that a part or an end may follow.
    in_package : bool
        Inside a package there is no end-of-file record; its end is one.
    """

    cursor: Cursor
    started: Collection[int]
    in_package: bool

    def plausible(self, at: int) -> bool:
        """Tell whether a record can begin here."""
        self.cursor.await_at(at, _HEAD_BYTES)
        if at == self.cursor.end:
            return True
        data = self.cursor.data
        kind = data[at]
        if kind == wire.VM_EOF:
            rest = data[at + 1 : min(at + 7, self.cursor.end)]
            return not self.in_package and (
                not rest or (rest[:1] == b"\x06" and rest[5:6] == b"{")
            )
        if kind in {wire.SECTION_PART, wire.SECTION_END}:
            return int.from_bytes(data[at + 1 : at + 5], "big") in self.started
        if kind == wire.COMMAND:
            return 1 <= int.from_bytes(data[at + 1 : at + 3], "big") < len(wire.COMMANDS)
        return kind in {wire.SECTION_START, wire.SECTION_FULL} and self._named(at)

    def _named(self, at: int) -> bool:
        end = self.cursor.end
        length = self.cursor.data[at + 5] if at + 5 < end else 0
        self.cursor.await_at(at, 6 + length + 8)
        data, end = self.cursor.data, self.cursor.end
        section = int.from_bytes(data[at + 1 : at + 5], "big")
        name = bytes(data[at + 6 : at + 6 + length])
        printable = name.isascii() and name.decode("ascii").isprintable()
        fits = at + 6 + length + 8 <= end
        return bool(length) and fits and printable and section not in self.started


def read_footer(cursor: Cursor, section_id: int) -> None:
    """Read the footer of a section.

    Parameters
    ----------
    cursor : Cursor
        Behind the section's body.
    section_id : int
        Its id.

    Raises
    ------
    StreamError
        If another byte or another id stands there.
    """
    start = cursor.at
    kind = cursor.u8("section footer")
    found = cursor.u32("section id of the footer") if kind == wire.SECTION_FOOTER else None
    if found != section_id:
        what = f"byte {kind:#04x}" if found is None else f"a footer of section {found}"
        raise cursor.fail(f"{what} where the footer of section {section_id} belongs", at=start)


def find_footer(cursor: Cursor, section_id: int, ending: Ending) -> None:
    """Move a cursor to the footer that ends a section of unknown length.

    Parameters
    ----------
    cursor : Cursor
        Inside the section's body; afterwards at its footer.
    section_id : int
        The section's id.
    ending : Ending
        What tells the footer from chance.

    Raises
    ------
    StreamError
        If there is none.
    """
    footer = bytes([wire.SECTION_FOOTER]) + section_id.to_bytes(4, "big")
    at = cursor.at
    for _ in range(_MOST_CANDIDATES):
        at = _find(cursor, footer, at)
        if at < 0:
            break
        if ending.plausible(at + wire.FOOTER_BYTES):
            cursor.at = at
            return
        at += 1
    raise cursor.fail(
        f"no footer of section {section_id} in the {cursor.left} B that are left",
        "give the whole stream, or read as far as it goes with partial",
    )


def _find(cursor: Cursor, footer: bytes, at: int) -> int:
    """Find a footer from a place on, in what is there and in what comes."""
    while True:
        found = cursor.data.find(footer, at, cursor.end)
        if found >= 0:
            return found
        at = max(at, cursor.end - len(footer) + 1)
        if not cursor.more():
            return -1
