"""What writing a migration into a file costs: the page cache, and the disk behind it."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["Storage"]


@dataclass(frozen=True)
class Storage:
    """The file's side of a migration to ``file:`` or ``exec:``.

    A write costs the thread its time and goes into a cache, from which the disk takes it at its
    own rate; a write blocks while the cache is full.

    Parameters
    ----------
    write_ns : int
        One write call, nanoseconds.
    byte_ps : int
        Copying into the cache, picoseconds a byte.
    scattered_write_ns : int
        What a page written at its own place (mapped-ram) takes longer, nanoseconds.
    bandwidth_bytes_per_s : int
        What the disk takes from the cache, bytes per second; 0 never lets a write wait.
    cache_bytes : int
        What may be dirty in the cache before a write waits for the disk, bytes.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.

    Notes
    -----
    The defaults are QEMU 10.0.13's on one host, 48 MiB of data into a fresh file of a local file
    system through the page cache: 1.85 us a page in writes of 32, 8.7 us a page at its own place.
    """

    write_ns: int = 700
    byte_ps: int = 160
    scattered_write_ns: int = 6_200
    bandwidth_bytes_per_s: int = 0
    cache_bytes: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("storage", self, HostProfileError)
