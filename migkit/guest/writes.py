"""What a workload's writes leave in their pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from migkit.errors import InputError, did_you_mean
from migkit.guest.content_text import (
    check_data_bytes,
    check_shares,
    check_whole,
    read_page,
    read_share,
    split_parts,
    write_page,
    write_share,
)
from migkit.guest.ram_block import PAGE_BYTES

__all__ = ["CHANGES", "Change", "Writes"]

CHANGES: tuple[str, ...] = ("fill", "delta", "count")
"""Kinds of `Change`; their positions are their codes in a plan."""

_MOST_PLACES = 512
_DELTA = re.compile(r"delta\((\d+)x(\d+)\)$")


@dataclass(frozen=True)
class Change:
    """What one write leaves in its page.

    Parameters
    ----------
    kind : {"fill", "delta", "count"}
        A new page; the old page changed at some places; the captures' guest: the running count
        of writes as four bytes at offset (count & 511) * 8.
    data_bytes : int
        Data bytes of the new page of a fill, 0..4096.
    places, place_bytes : int
        How many places a delta changes, 1..512, and how many bytes at each, 1..4096.

    Raises
    ------
    InputError
        If a value lies outside its range.
    """

    kind: str
    data_bytes: int = 0
    places: int = 0
    place_bytes: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        if self.kind not in CHANGES:
            raise InputError.of(
                f"write {self.kind!r}", "not known", did_you_mean(str(self.kind), CHANGES)
            )
        object.__setattr__(self, "data_bytes", check_data_bytes(self.data_bytes))
        if self.kind == "delta":
            check_whole("write: places of a delta", self.places, 1, _MOST_PLACES)
            check_whole("write: bytes of a delta's place", self.place_bytes, 1, PAGE_BYTES)

    def __str__(self) -> str:
        """Write the text that `Writes.parse` reads."""
        if self.kind == "delta":
            return f"delta({self.places}x{self.place_bytes})"
        return "count" if self.kind == "count" else write_page(self.data_bytes)


@dataclass(frozen=True)
class Writes:
    """What the writes of a workload leave in their pages.

    Parameters
    ----------
    shares : tuple of (Change, float)
        Outcomes and how many percent of the writes have each; the sum is 100. The captures'
        guest stands alone.

    Raises
    ------
    InputError
        If the shares do not sum up, or `count` is mixed with another outcome.

    Examples
    --------
    >>> str(Writes.parse("delta(2x8):75%/zero:25%"))
    'delta(2x8):75%/zero:25%'
    """

    shares: tuple[tuple[Change, float], ...] = ((Change("delta", places=1, place_bytes=8), 100),)

    def __post_init__(self) -> None:
        """Check the shares."""
        object.__setattr__(self, "shares", tuple((c, share) for c, share in self.shares))
        check_shares("write", [share for _, share in self.shares])
        if len(self.shares) > 1 and any(change.kind == "count" for change, _ in self.shares):
            raise InputError.of(f"write {self}", "count among others", "give count alone")

    @property
    def counted(self) -> bool:
        """Whether it is the program of the captures' guest."""
        return self.shares[0][0].kind == "count"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read outcomes of a write as people write them.

        Parameters
        ----------
        text : str
            See `CONTENT_FORMS`.

        Returns
        -------
        Writes
            The outcomes.

        Raises
        ------
        InputError
            If a part of the text is not one of the forms.
        """
        shares = []
        for part in split_parts("write", text, "/"):
            written, share = read_share(text, part)
            delta = _DELTA.match(written)
            if delta:
                change = Change("delta", places=int(delta[1]), place_bytes=int(delta[2]))
            elif written == "count":
                change = Change("count")
            else:
                change = Change("fill", data_bytes=read_page(text, written))
            shares.append((change, share))
        return cls(tuple(shares))

    def __str__(self) -> str:
        """Write the text that `parse` reads."""
        return "/".join(write_share(str(change), share) for change, share in self.shares)
