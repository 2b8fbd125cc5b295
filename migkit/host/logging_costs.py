"""What keeping and fetching the dirty log costs, the guest and the migration thread."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["LoggingCosts"]


@dataclass(frozen=True)
class LoggingCosts:
    """Costs of a dirty log, nanoseconds unless the name says otherwise.

    TCG's first store to a page after a sync is ``guest_write_ns`` of the host profile. A further
    one took 0.05 of that time on one machine (QEMU 10.0) where its translation was at hand, 0.45
    where it was not. KVM's costs are assumptions of the usual order: the machine of the captures
    has no KVM.

    Parameters
    ----------
    tcg_repeated_write_ns : int
        TCG: a store to a page whose bit is set, with the program around it.
    kvm_write_ns : int
        KVM: the program's own time for a page write.
    protection_fault_ns : int
        KVM: what the first write to a protected page costs the vCPU more.
    protect_page_ps : int
        KVM: protecting a page again, picoseconds.
    log_call_ns : int
        KVM: one call of KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG or KVM_RESET_DIRTY_RINGS.
    kick_vcpu_ns : int
        KVM's ring: making a vCPU leave the guest, so that its ring can be read.
    ring_full_exit_ns : int
        KVM's ring: what leaving the guest with a full ring costs the vCPU.
    ring_reserved_entries : int
        Entries of a ring that stay free: 64 of KVM, and 512 where the processor logs pages
        itself (Intel's page-modification log).

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.
    """

    tcg_repeated_write_ns: int = 1_000
    kvm_write_ns: int = 1_000
    protection_fault_ns: int = 2_000
    protect_page_ps: int = 50_000
    log_call_ns: int = 3_000
    kick_vcpu_ns: int = 20_000
    ring_full_exit_ns: int = 10_000
    ring_reserved_entries: int = 576

    def __post_init__(self) -> None:
        """Check every cost; a ring of any size must have room left."""
        check_numbers("dirty logging", self, HostProfileError)
        if self.ring_reserved_entries >= 1024:
            raise HostProfileError.of(
                f"dirty logging: ring_reserved_entries {self.ring_reserved_entries}",
                "allowed 0..1023",
                "give the entries that KVM keeps free",
            )
