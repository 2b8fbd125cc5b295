"""The dirty log: how writes get into it, how a sync fetches it, when it is cleared.

TCG and KVM without manual protection give up what a sync fetches (KVM_GET_DIRTY_LOG). With manual
protection the kernel keeps its bits: a page whose bit is set is not protected, writes to it are
not seen, and only the bits that QEMU has fetched are cleared, a chunk at a time, before the first
page of the chunk is sent (accel/kvm/kvm-all.c, kvm_log_clear_one_slot). With a ring the log is
what was read out of the vCPUs' rings.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

BITS_PER_WORD = 64


class Mode(IntEnum):
    """The ways of a dirty log; `migkit.guest.accelerator.LOG_MODES` in its order."""

    TCG = 0
    GET_AND_CLEAR = 1
    MANUAL_PROTECT = 2
    DIRTY_RING = 3


class DirtyLog:
    """The log of one migration.

    Parameters
    ----------
    plan : migkit.plan.Plan
        Its inputs.

    Attributes
    ----------
    pages : set of int
        Pages whose bit is set: where the accelerator keeps it, or QEMU's slots with a ring.
    fetched : set of int
        Manual protection: what QEMU has fetched and not had cleared (KVMSlot.dirty_bmap).
    in_rings : set of int
        Pages that stand in a vCPU's ring: not protected, not read out yet.
    chunks : set of (int, int)
        Block and chunk of the clear bitmap's set bits (RAMBlock.clear_bmap).
    """

    def __init__(self, plan: Any) -> None:
        self.plan = plan.dirty_log
        self.mode = Mode(plan.dirty_log.mode)
        self.block_pages = plan.block_pages
        self.pages: set[int] = set()
        self.fetched: set[int] = set()
        self.in_rings: set[int] = set()
        self.chunks: set[tuple[int, int]] = set()
        if self.plan.initially_set:
            self.pages.update(range(sum(plan.block_pages)))

    def note(self, page: int) -> bool:
        """Log a write; tell whether the log saw it, not one before it since it looked last."""
        seen = self.in_rings if self.mode == Mode.DIRTY_RING else self.pages
        fresh = page not in seen
        seen.add(page)
        return fresh

    def fetch(self) -> set[int]:
        """Return the pages that a sync takes over, and set the clear bitmap.

        Blocks that are no whole words of pages are gone through page by page, and each page found
        is cleared at once (ram_addr.h cpu_physical_memory_sync_dirty_bitmap).
        """
        found = set(self.pages)
        if self.mode == Mode.MANUAL_PROTECT:
            self.fetched = set(self.pages)
        else:
            self.pages.clear()
        start = 0
        for block, pages in enumerate(self.block_pages):
            if pages % BITS_PER_WORD:
                self.pages.difference_update(range(start, start + pages))
                self.fetched.difference_update(range(start, start + pages))
            else:
                chunks = -(-pages >> self.plan.clear_shift)
                self.chunks.update((block, chunk) for chunk in range(chunks))
            start += pages
        return found

    def chunk_of(self, block: int, page_in_block: int) -> int:
        """Return the chunk that must be cleared before this page is sent, or -1."""
        chunk = page_in_block >> self.plan.clear_shift
        return chunk if (block, chunk) in self.chunks else -1

    def clear(self, block: int, chunk: int) -> int:
        """Clear a chunk: protect the pages that were fetched. Returns how many."""
        self.chunks.remove((block, chunk))
        start = sum(self.block_pages[:block])
        end = start + self.block_pages[block]
        first = start + (chunk << self.plan.clear_shift)
        after = min(first + (1 << self.plan.clear_shift), end)
        here = {page for page in self.fetched if first <= page < after}
        self.pages -= here
        self.fetched -= here
        return len(here)
