"""One RAM block: its length, and which of its pages hold data when migration starts.

A page is either zero or not; what is in it does not matter to the RAM code (migration/ram.c).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError

__all__ = ["PAGE_BYTES", "RamBlock", "check_memory", "sorted_extents"]

PAGE_BYTES = 4096
"""Size of a target page, bytes (x86)."""

_LONGEST_ID_BYTES = 255


@dataclass(frozen=True)
class RamBlock:
    """One RAM block of the guest.

    Parameters
    ----------
    name : str
        QEMU's id string of the block, at most 255 bytes of UTF-8.
    used_bytes : int
        Its used length, bytes; a multiple of 4096.
    nonzero : iterable of (int, int)
        Extents (first page, number of pages) of pages that hold data when migration starts;
        kept sorted, without overlaps. All other pages are zero.
    shared : bool
        Whether it is a file that both sides map (``share=on``): x-ignore-shared leaves it out.

    Raises
    ------
    InputError
        If the length is no multiple of a page, or an extent leaves the block.

    Examples
    --------
    >>> RamBlock("pc.ram", 16 << 20, nonzero=[(8, 2), (0, 1)]).nonzero
    ((0, 1), (8, 2))
    """

    name: str
    used_bytes: int
    nonzero: tuple[tuple[int, int], ...] = ()
    shared: bool = False

    def __post_init__(self) -> None:
        """Check the length and put the extents in order."""
        id_bytes = len(self.name.encode())
        if not 1 <= id_bytes <= _LONGEST_ID_BYTES:
            raise InputError.of(
                f"RAM block name {self.name!r}",
                f"{id_bytes} bytes long, allowed 1..{_LONGEST_ID_BYTES}",
                "give it a name of that length",
            )
        if not isinstance(self.shared, bool):
            raise InputError.of(
                f"RAM block {self.name}: shared {self.shared!r}",
                "allowed true or false",
                "give one of them",
            )
        used = check_memory(self.used_bytes, f"RAM block {self.name}")
        object.__setattr__(self, "used_bytes", used)
        object.__setattr__(self, "nonzero", sorted_extents(self.nonzero, self.pages, self.name))

    @property
    def pages(self) -> int:
        """Number of pages."""
        return self.used_bytes // PAGE_BYTES

    @property
    def nonzero_pages(self) -> int:
        """Number of pages that hold data when migration starts."""
        return sum(count for _, count in self.nonzero)


def check_memory(size_bytes: Any, name: str) -> int:
    """Check a size of memory: whole pages, one at least.

    Parameters
    ----------
    size_bytes : int
        The size.
    name : str
        What it is the size of; for the message.

    Returns
    -------
    int
        The size as a plain int.

    Raises
    ------
    InputError
        If it is no positive multiple of 4096.
    """
    try:
        size = operator.index(size_bytes)
    except TypeError:
        size = 0
    if size <= 0 or size % PAGE_BYTES or isinstance(size_bytes, bool):
        raise InputError.of(
            f"{name} {size_bytes} bytes",
            f"allowed multiples of {PAGE_BYTES} (one page), at least one page",
            "give a size such as 512MiB",
        )
    return size


def sorted_extents(
    extents: Iterable[tuple[int, int]], pages: int, name: str
) -> tuple[tuple[int, int], ...]:
    """Put extents in order, joined where they touch or overlap.

    Parameters
    ----------
    extents : iterable of (int, int)
        (First page, number of pages).
    pages : int
        Pages there are.
    name : str
        What they belong to; for the message.

    Returns
    -------
    tuple of (int, int)
        Sorted extents with a gap between any two.

    Raises
    ------
    InputError
        If an extent is empty or leaves the range.

    Examples
    --------
    >>> sorted_extents([(4, 2), (0, 3), (2, 2)], 10, "pc.ram")
    ((0, 6),)
    """
    joined: list[tuple[int, int]] = []
    for first, count in sorted((int(first), int(count)) for first, count in extents):
        if first < 0 or count < 1 or first + count > pages:
            raise InputError.of(
                f"{name}: pages {first} to {first + count - 1}",
                f"allowed pages 0..{pages - 1}",
                "give extents (first page, number of pages) inside that range",
            )
        if joined and first <= sum(joined[-1]):
            start, length = joined.pop()
            joined.append((start, max(start + length, first + count) - start))
        else:
            joined.append((first, count))
    return tuple(joined)
