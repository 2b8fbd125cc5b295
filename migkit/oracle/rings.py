"""The vCPUs' dirty rings: read out, and filled again (kvm-all.c, kvm_dirty_ring_reap)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migkit.oracle.vcpus import Vcpu
    from migkit.oracle.world import World


def reap(w: World, vcpus: list[Vcpu]) -> int:
    """Read rings out and have their pages protected again; return how many there were."""
    entries = 0
    for vcpu in vcpus:
        entries += len(vcpu.ring)
        vcpu.dirty_pages += len(vcpu.ring)
        w.dirty_log.pages.update(vcpu.ring)
        w.dirty_log.in_rings.difference_update(vcpu.ring)
        vcpu.ring.clear()
    touch(w)
    return entries


def touch(w: World) -> None:
    """Write what the guest writes without end: its first vCPU does."""
    if not w.vm_running:
        return
    for page in w.plan.always_dirty_pages:
        w.content.touch(page)
        if w.xbzrle is not None:
            w.xbzrle.touched(page)
        if w.dirty_log.note(page) and w.vcpus:
            w.vcpus[0].ring.append(page)
