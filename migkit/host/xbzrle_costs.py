"""What the page cache of xbzrle costs the machine."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["XbzrleCosts"]


@dataclass(frozen=True)
class XbzrleCosts:
    """Costs of xbzrle, nanoseconds, on top of what a page costs without it.

    Parameters
    ----------
    first_copy_ns : int
        A page copied into an entry of the cache that was never used: its memory is allocated.
    copy_ns : int
        A page copied into an entry that has memory.
    hit_ns : int
        A page that the cache has, from its zero test to its record: instead of the page's cost.
    record_ns : int
        Destination: a record decoded.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.
    """

    first_copy_ns: int = 7700
    copy_ns: int = 400
    hit_ns: int = 1340
    record_ns: int = 1000

    def __post_init__(self) -> None:
        """Check every cost."""
        check_numbers("xbzrle costs", self, HostProfileError)
