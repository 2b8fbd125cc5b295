"""What the destination does between the last byte it needs and a running guest."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["LandingCosts"]


@dataclass(frozen=True)
class LandingCosts:
    """Steps of the destination's start, nanoseconds.

    Each ends at a checkpoint of the trace ``vmstate_downtime_checkpoint``
    (migration/migration.c, process_incoming_migration_bh; migration/savevm.c,
    loadvm_postcopy_handle_run_bh).

    Parameters
    ----------
    device_load_ns : int
        Precopy: from the last byte's arrival to the end of the load.
    bh_ns : int
        Until the main loop runs the bottom half.
    cpu_sync_ns : int
        Postcopy: the vCPUs' state taken over.
    announce_ns : int
        The network announced.
    activate_ns : int
        Postcopy: disks activated.
    start_ns : int
        The guest started; in precopy with the disks activated before.
    held_segment_ns : int
        Precopy with a return path: how long the source's TCP holds the stream's last segment back
        (Nagle) while the destination's holds its acknowledgement back (RFC 1122 allows 500 ms,
        Linux takes 40), where the destination had digested all before the devices. Without a
        return path the source closes the socket, which sends it at once. 0: it does not.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.

    Notes
    -----
    The defaults are medians of the recorded runs of `migkit/hosts/captures.json`, of which 19
    end in precopy and 10 in postcopy. None of the precopy runs has a return path, so the last
    segment is not held by default; see `migkit.host.noise.Noise` for how often it is.
    """

    device_load_ns: int = 900_000
    bh_ns: int = 25_000
    cpu_sync_ns: int = 2_000
    announce_ns: int = 7_000
    activate_ns: int = 5_000
    start_ns: int = 48_000
    held_segment_ns: int = 0

    def __post_init__(self) -> None:
        """Check every cost."""
        check_numbers("landing costs", self, HostProfileError)

    @property
    def postcopy_bh_ns(self) -> int:
        """From the bottom half's begin to the running guest, in postcopy."""
        return self.cpu_sync_ns + self.announce_ns + self.activate_ns + self.start_ns
