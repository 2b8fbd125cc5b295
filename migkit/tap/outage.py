"""Times in which nothing passes, and when TCP goes on after one."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import InputError
from migkit.units import parse_duration

__all__ = ["Outage", "parse_outages", "resumes_ns"]

_LONGEST_TIMEOUT_NS = 120_000_000_000
"""Linux's TCP_RTO_MAX."""


@dataclass(frozen=True)
class Outage:
    """A time in which the link carries nothing, in either direction.

    Attributes
    ----------
    begin_ns, end_ns : int
        After the first byte, or after ``migrate`` in a lab run; the end is later.
    """

    begin_ns: int
    end_ns: int

    def __str__(self) -> str:
        """Write it as `parse_outages` reads it."""
        return f"{self.begin_ns}ns+{self.end_ns - self.begin_ns}ns"


def parse_outages(text: str) -> tuple[Outage, ...]:
    """Read outages.

    Parameters
    ----------
    text : str
        ``BEGIN+LENGTH``, with commas between several, in order and apart: ``"2s+500ms,5s+1s"``.

    Returns
    -------
    tuple of Outage
        The outages.

    Raises
    ------
    InputError
        If one is not of that form, lasts no time, or begins before the last one has ended.

    Examples
    --------
    >>> parse_outages("2s+500ms")
    (Outage(begin_ns=2000000000, end_ns=2500000000),)
    """
    found: list[Outage] = []
    for part in str(text).split(","):
        begin, plus, length = part.strip().partition("+")
        if not plus:
            raise InputError.of(
                f"outage {part.strip()!r}", "allowed BEGIN+LENGTH", "write 2s+500ms"
            )
        begin_ns = parse_duration(begin, "outage: begin")
        lasts_ns = parse_duration(length, "outage: length")
        if not lasts_ns:
            raise InputError.of(f"outage {part.strip()!r}", "it lasts no time", "leave it out")
        if found and begin_ns <= found[-1].end_ns:
            raise InputError.of(
                f"outage {part.strip()!r}", f"not after {found[-1]}", "give them in order, apart"
            )
        found.append(Outage(begin_ns, begin_ns + lasts_ns))
    return tuple(found)


def resumes_ns(outage: Outage, timeout_ns: int) -> int:
    """Return when TCP goes on: at the first retransmission that gets through.

    What was on its way when the outage began is sent again after a timeout, and each further time
    after twice as long (RFC 6298, 5.5), two minutes at most.

    Parameters
    ----------
    outage : Outage
        When nothing passes.
    timeout_ns : int
        First retransmission timeout: the round trip and TCP's least timeout.

    Examples
    --------
    >>> resumes_ns(Outage(0, 500_000_000), 200_000_000)
    600000000
    """
    at, wait = outage.begin_ns, max(timeout_ns, 1)
    while at < outage.end_ns:
        at += wait
        wait = min(2 * wait, _LONGEST_TIMEOUT_NS)
    return at
