"""What following the guest's writes costs: background-snapshot, and memory given back."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["ReleaseCosts", "SnapshotCosts"]


@dataclass(frozen=True)
class SnapshotCosts:
    """Costs of background-snapshot (migration/ram.c, ram_write_tracking_start).

    Parameters
    ----------
    populate_page_ps : int
        Reading one page before the memory is protected, picoseconds.
    protect_ns, protect_page_ps : int
        Protecting all memory: nanoseconds, and picoseconds a page. The guest stands still.
    resume_ns : int
        From there to the guest running again, nanoseconds.
    poll_ns : int
        Looking for a fault before a page, nanoseconds.
    fault_ns : int
        The guest's write to the fault that can be read, nanoseconds.
    unprotect_ns : int
        Letting the guest write to a page again, nanoseconds.
    wake_ns : int
        From there to the vCPU's write, nanoseconds.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.

    Notes
    -----
    The defaults were read off one run of QEMU 10.0.13 (64 MiB, machine ``pc``): 0.10 ms for
    protecting 16384 pages, 0.19 ms until the guest ran, 2.3 us a zero page. Of `fault_ns` and
    `wake_ns` nothing was measured.
    """

    populate_page_ps: int = 100_000
    protect_ns: int = 20_000
    protect_page_ps: int = 5_000
    resume_ns: int = 190_000
    poll_ns: int = 300
    fault_ns: int = 10_000
    unprotect_ns: int = 1_000
    wake_ns: int = 10_000

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("snapshot", self, HostProfileError)


@dataclass(frozen=True)
class ReleaseCosts:
    """Costs of release-ram (migration/ram.c, ram_discard_range).

    Parameters
    ----------
    page_ns : int
        Giving back one page, nanoseconds.
    range_ns : int
        One call, for a run of pages, nanoseconds.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.
    """

    page_ns: int = 100
    range_ns: int = 1_000

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("release", self, HostProfileError)
