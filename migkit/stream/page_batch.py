"""Page records of a channel that are handed on together."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

__all__ = ["PageBatch"]


@dataclass
class PageBatch:
    """Page records of one channel that are counted together.

    Attributes
    ----------
    words : array of uint64
        Address and flags, one a page.
    xbzrle_sizes : array of uint16
        Payloads of the pages sent as differences, in order.
    entered : list of (int, int)
        From which word on, in which block.
    gapless : list of (int, int, int)
        From which word on, at which offset, in which row of records; up to the next such place
        records follow each other without a gap.
    breaks : list of int
        Words before which QEMU began at the first block again.
    """

    words: array[int] = field(default_factory=lambda: array("Q"))
    xbzrle_sizes: array[int] = field(default_factory=lambda: array("H"))
    entered: list[tuple[int, int]] = field(default_factory=list)
    gapless: list[tuple[int, int, int]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
