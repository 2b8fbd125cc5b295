"""The physical link between source and destination."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import InputError
from migkit.records import check_numbers

__all__ = ["Link"]


@dataclass(frozen=True)
class Link:
    """The physical link between source and destination; QEMU's limits are parameters.

    Parameters
    ----------
    bandwidth_bytes_per_s : int
        What it carries, bytes per second; 0 is as fast as the destination takes the pages.
    latency_ns : int
        One way, nanoseconds.
    send_buffer_bytes : int
        What the two sockets hold before a write blocks, bytes.
    recovery_bandwidth_bytes_per_s : int
        What the link carries after a postcopy migration was recovered; 0 as above.

    Raises
    ------
    InputError
        If a value is negative or not whole.
    """

    bandwidth_bytes_per_s: int = 0
    latency_ns: int = 0
    send_buffer_bytes: int = 0
    recovery_bandwidth_bytes_per_s: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("link", self, InputError)
