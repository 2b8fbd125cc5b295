"""The events at which a tap breaks all connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from migkit.errors import InputError, did_you_mean
from migkit.units import parse_bytes, parse_duration

__all__ = ["EVENTS", "Cut", "parse_cut"]

EVENTS = ("save_complete", "postcopy", "time", "bytes")
_FORMS = "save_complete, postcopy:PAGES, time:DURATION, bytes:SIZE"


@dataclass(frozen=True)
class Cut:
    """When all connections are broken: once, at the byte.

    Attributes
    ----------
    event : str
        ``save_complete``: before the first byte of RAM's SECTION_END. ``postcopy``: behind so
        many pages after the package that opens postcopy. ``time``: so many nanoseconds after the
        migration's first byte. ``bytes``: behind so many bytes to the destination.
    amount : int
        Pages, nanoseconds or bytes.
    """

    event: Literal["save_complete", "postcopy", "time", "bytes"]
    amount: int = 0

    def __str__(self) -> str:
        """Write it as `parse_cut` reads it."""
        unit = {"time": "ns"}.get(self.event, "")
        return self.event if self.event == "save_complete" else f"{self.event}:{self.amount}{unit}"


def parse_cut(text: str) -> Cut:
    """Read an event.

    Parameters
    ----------
    text : str
        ``save_complete``, ``postcopy:100``, ``time:1.5s`` or ``bytes:64MiB``.

    Returns
    -------
    Cut
        The event.

    Raises
    ------
    InputError
        If it is none of these, or its amount is not above 0.

    Examples
    --------
    >>> parse_cut("postcopy:100"), str(parse_cut("time:1.5s"))
    (Cut(event='postcopy', amount=100), 'time:1500000000ns')
    """
    event, _, amount = text.partition(":")
    if event == "save_complete" and not amount:
        return Cut("save_complete")
    if event == "postcopy" and amount.isdecimal() and int(amount):
        return Cut("postcopy", int(amount))
    if event == "time" and amount and (after := parse_duration(amount, "time of the cut")):
        return Cut("time", after)
    if event == "bytes" and amount and (count := parse_bytes(amount, "bytes before the cut")):
        return Cut("bytes", count)
    fix = f"give an amount above 0: {_FORMS}" if event in EVENTS else did_you_mean(event, EVENTS)
    raise InputError.of(f"cut {text!r}", f"allowed {_FORMS}", fix)
