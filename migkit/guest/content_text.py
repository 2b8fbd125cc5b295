"""Words and shares of what is in a page, read and written: ``random:50%``, ``compressible(3)``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from migkit.errors import InputError, did_you_mean
from migkit.guest.ram_block import PAGE_BYTES

__all__ = [
    "CONTENT_FORMS",
    "MOST_CLASSES",
    "check_data_bytes",
    "check_shares",
    "check_whole",
    "read_page",
    "read_share",
    "read_whole",
    "split_parts",
    "write_page",
    "write_share",
]

MOST_CLASSES = 8
"""So many different pages with data, and so many outcomes of a write, are told apart."""

CONTENT_FORMS = """\
zero:30%,random:50%,compressible(3):20%   shares of the pages; data(BYTES) is exact
random,zero@1000+500                      500 pages from page 1000 on are different
Further, after commas: run=PAGES (neighbours that are alike, else 64), seed=N.
A workload's write=, shares joined by a slash: delta(PLACESxBYTES), zero, random,
compressible(R), or count, which is the captures' guest alone."""
"""What `Content.parse` and `Writes.parse` read, for help texts."""

_PAGE = re.compile(r"(zero|random|compressible|data)(?:\(([^)]*)\))?$")


def split_parts(what: str, text: Any, separator: str) -> list[str]:
    """Split a text at a separator.

    Parameters
    ----------
    what : str
        What it is; for the message.
    text : str
        The text.
    separator : str
        One character.

    Returns
    -------
    list of str
        The parts without space around them.

    Raises
    ------
    InputError
        If a part is empty, or it is no text.
    """
    parts = [part.strip() for part in text.split(separator)] if isinstance(text, str) else [""]
    if not all(parts):
        raise InputError.of(f"{what} {text!r}", "empty", "write zero:30%,random:70%")
    return parts


def read_share(text: str, part: str) -> tuple[str, float]:
    """Split ``random:50%``.

    Parameters
    ----------
    text : str
        The whole text; for the message.
    part : str
        One part of it.

    Returns
    -------
    str, float
        What it is of, and percent: 100 without a share.

    Raises
    ------
    InputError
        If the share is no percentage.
    """
    what, colon, share = part.partition(":")
    if not colon:
        return what, 100
    try:
        number = float(share.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not share.endswith("%") or not math.isfinite(number):
        raise InputError.of(f"content {text}", f"{share!r} is no share", "write random:50%")
    return what, int(number) if number.is_integer() else number


def write_share(what: str, share: float) -> str:
    """Write ``random:50%``.

    Parameters
    ----------
    what : str
        What the share is of.
    share : float
        Percent.

    Returns
    -------
    str
        Without the share if it is 100.
    """
    return what if share == 100 else f"{what}:{share}%"


def read_page(text: str, written: str) -> int:
    """Read what is in a page: zero, random, compressible(R) or data(BYTES).

    Parameters
    ----------
    text : str
        The whole text; for the message.
    written : str
        One of the four.

    Returns
    -------
    int
        Bytes that cannot be compressed.

    Raises
    ------
    InputError
        If it is none of them, or the number is out of range.
    """
    match = _PAGE.match(written)
    if not match or (match[2] is None) != (match[1] in ("zero", "random")):
        known = ("zero", "random", "compressible(3)", "data(1000)", "delta(1x8)")
        raise InputError.of(f"content {text}", f"{written!r}?", did_you_mean(written, known))
    if match[1] == "data":
        return read_whole(text, match[2])
    if match[1] != "compressible":
        return 0 if match[1] == "zero" else PAGE_BYTES
    try:
        ratio = float(match[2])
    except ValueError:
        ratio = 0
    if not 1 <= ratio <= PAGE_BYTES:
        raise InputError.of(f"content {text}", f"ratio {match[2]}", f"allowed 1..{PAGE_BYTES}")
    return max(round(PAGE_BYTES / ratio), 1)


def write_page(data_bytes: int) -> str:
    """Write what is in a page.

    Parameters
    ----------
    data_bytes : int
        Bytes that cannot be compressed.

    Returns
    -------
    str
        What `read_page` reads.
    """
    return {0: "zero", PAGE_BYTES: "random"}.get(data_bytes, f"data({data_bytes})")


def read_whole(text: str, written: str) -> int:
    """Read a whole number.

    Parameters
    ----------
    text : str
        The whole text; for the message.
    written : str
        Its digits.

    Returns
    -------
    int
        The number.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not written.isdecimal():
        raise InputError.of(f"content {text}", f"{written!r} is no whole number", "write digits")
    return int(written)


def check_data_bytes(value: Any) -> int:
    """Check the data bytes of a page.

    Parameters
    ----------
    value : int
        Bytes that cannot be compressed.

    Returns
    -------
    int
        The same.

    Raises
    ------
    InputError
        If it lies outside 0..4096.
    """
    return check_whole("content: data bytes of a page", value, 0, PAGE_BYTES)


def check_whole(what: str, value: Any, low: int, high: int) -> int:
    """Check a whole number.

    Parameters
    ----------
    what : str
        What it is; for the message.
    value : int
        The number.
    low, high : int
        The range, both ends included.

    Returns
    -------
    int
        The same.

    Raises
    ------
    InputError
        If it is no whole number of the range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError.of(f"{what} {value!r}", f"allowed {low}..{high}", "give a whole number")
    return value


def check_shares(what: str, shares: Iterable[float]) -> None:
    """Check shares.

    Parameters
    ----------
    what : str
        What they are of; for the message.
    shares : iterable of float
        Percent.

    Raises
    ------
    InputError
        If there are too many, or they do not sum up to 100.
    """
    values = list(shares)
    wrong = not values or len(values) > MOST_CLASSES or not all(0 <= v <= 100 for v in values)
    if wrong or not math.isclose(sum(values), 100):
        raise InputError.of(
            f"{what}: shares {values} %",
            f"allowed at most {MOST_CLASSES} that sum up to 100",
            "mend the shares",
        )
