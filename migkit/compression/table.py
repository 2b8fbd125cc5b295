"""Bytes and time of a page under each method and level, by how many of its bytes are data.

zlib and zstd are measured (``measured.json``, which says on what and by which program). qpl, uadk
and qatzip need an accelerator: their figures (``documented.json``) are those of documentation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

from migkit.errors import InputError

__all__ = ["Cost", "cost_of", "levels_of"]

_PAGE_BYTES = 4096
_MEASURED = ("zlib", "zstd")


@dataclass(frozen=True)
class Cost:
    """What a page becomes.

    Attributes
    ----------
    page_millibytes : int
        Bytes it takes in a packet's payload, thousandths.
    packet_bytes : int
        Bytes of the payload beside its pages: what ends a packet.
    compress_page_ns, decompress_page_ns : int
        Time of the sender and of the receiver, nanoseconds.
    """

    page_millibytes: int
    packet_bytes: int
    compress_page_ns: int
    decompress_page_ns: int

    def stretched(self, percent: int) -> Cost:
        """Return the same on a processor that takes so many percent of the time."""
        times = (self.compress_page_ns, self.decompress_page_ns)
        longer = (time * percent // 100 for time in times)
        return Cost(self.page_millibytes, self.packet_bytes, *longer)


def cost_of(method: str, level: int, data_bytes: int) -> Cost:
    """Tell what a method makes of a page with random bytes in front and zeros behind.

    Parameters
    ----------
    method : str
        multifd-compression: none, zlib, zstd, qpl, uadk or qatzip.
    level : int
        Its level; of no account for none, qpl and uadk.
    data_bytes : int
        Random bytes of the page, 0..4096.

    Returns
    -------
    Cost
        Between two contents that were measured, in proportion.

    Raises
    ------
    InputError
        If the method or the level is not in the table.

    Examples
    --------
    >>> cost_of("none", 1, 4096)
    Cost(page_millibytes=4096000, packet_bytes=0, compress_page_ns=0, decompress_page_ns=0)
    >>> cost_of("zstd", 1, 4096).page_millibytes * 128 // 1000 - 128 * 4096
    12
    """
    if method == "none":
        return Cost(1000 * _PAGE_BYTES, 0, 0, 0)
    rows = [row for row in _rows(method) if row[0] in (level, _ANY_LEVEL)]
    if not rows:
        raise InputError.of(
            f"{method} level {level}",
            f"measured are {levels_of(method)}",
            "give one of these levels",
        )
    for low, high in pairwise(rows):
        if low[1] <= data_bytes <= high[1]:
            share, width = data_bytes - low[1], high[1] - low[1]
            values = [a + (b - a) * share // width for a, b in zip(low[2:], high[2:], strict=True)]
            return Cost(*values)
    raise InputError.of(f"page with {data_bytes} data bytes", "allowed 0..4096", "give fewer")


def levels_of(method: str) -> list[int]:
    """Name the levels of a method that the table holds.

    Parameters
    ----------
    method : str
        multifd-compression.

    Returns
    -------
    list of int
        Sorted; empty for none, and where there are no levels.
    """
    return sorted({row[0] for row in _rows(method)} - {_ANY_LEVEL})


_ANY_LEVEL = -1


def _rows(method: str) -> Sequence[Sequence[int]]:
    if method == "none":
        return []
    name = "measured" if method in _MEASURED else "documented"
    rows: Sequence[Sequence[int]] = _table(name)[method]
    return rows


@cache
def _table(name: str) -> dict[str, Any]:
    file = resources.files("migkit.compression") / f"{name}.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table
