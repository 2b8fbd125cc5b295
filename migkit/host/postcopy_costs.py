"""What postcopy costs a machine beyond what precopy costs it."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["PostcopyCosts"]


@dataclass(frozen=True)
class PostcopyCosts:
    """Costs of postcopy, in nanoseconds unless the name says otherwise.

    The defaults are those of the captures' machine.

    Parameters
    ----------
    page_ns : int
        Source: one page found, tested and queued.
    place_zero_page_ns : int
        Destination: putting a zero page in place (UFFDIO_ZEROPAGE).
    socket_bytes : int
        What the two sockets hold, bytes, once a stream that never rests has let them grow; the
        link's ``send_buffer_bytes`` counts if it is larger.
    socket_wake_bytes : int
        How much of that is free before a writer that had to wait goes on, bytes: a third of the
        send buffer (Linux, sk_stream_min_wspace).
    discard_range_ns : int
        Destination: dropping one range of pages that the source named as stale.
    listen_ns : int
        Destination: from the last discard to the first page taken (userfaultfd, threads).
    request_ns : int
        From the fault thread to the source's return path thread, without the link.
    account_ns : int
        Destination: from a page in place, its vCPU awake, to the blocktime accounting.
    delayed_ack_ns : int
        How long the source's TCP may hold an acknowledgement back. Until it comes, the
        destination's sends no further small segment; 0 for a transport without either.
    urgent_place_ns : int
        Destination: from a requested page's arrival on preempt's channel to its place, while the
        main channel keeps the processors busy; nothing while that rests.
    connect_ns : int
        Recovery: from ``migrate`` with resume to a new connection, without the link's round trip.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.
    """

    page_ns: int = 1_300
    place_zero_page_ns: int = 700
    socket_bytes: int = 6_400_000
    socket_wake_bytes: int = 1_333_333
    discard_range_ns: int = 1_200
    listen_ns: int = 2_000_000
    request_ns: int = 20_000
    account_ns: int = 90_000
    delayed_ack_ns: int = 40_000_000
    urgent_place_ns: int = 2_200_000
    connect_ns: int = 1_500_000

    def __post_init__(self) -> None:
        """Check every cost."""
        check_numbers("host profile: postcopy", self, HostProfileError)
