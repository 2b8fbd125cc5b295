"""multifd in the migration thread: pages into batches, batches to channels, syncs.

A batch holds 128 pages of one block. It goes to a channel when the next page comes and it is full,
or of another block, and when somebody flushes (migration/multifd-nocomp.c, ram.c).
"""

from __future__ import annotations

from migkit.oracle import senders
from migkit.oracle.packets import PAGES_PER_PACKET
from migkit.oracle.stream import flush, put
from migkit.oracle.world import DETECT_LEGACY, World

FLUSH_WORD_BYTES = 8


def takes(w: World, page: int) -> bool:
    """Whether a page goes to a channel, not into the main stream (ram_save_target_page)."""
    if w.multifd is None or w.in_postcopy:
        return False
    return not w.finds_zero(page)


def queue_page(w: World, block: int, page: int) -> int:
    """Append a page to the batch; 1, or -1 if the batch before it could not be handed over."""
    m = w.multifd
    if m.batched and (m.block != block or m.batched == PAGES_PER_PACKET):
        if not senders.hand_over(w):
            return -1
    costs = m.plan.costs
    w.t += costs.queue_page_ns
    if w.parameters["zero-page-detection"] == DETECT_LEGACY:
        w.t += costs.test_page_ns
    m.block = block
    if w.content.is_zero(page):  # its channel finds that out, or does not look
        m.zero_pages.append(page)
    else:
        m.add(w.content.classes[page])
    return 1


def flush_and_sync(w: World) -> None:
    """Send what is queued and let both sides meet (multifd_ram_flush_and_sync)."""
    if w.multifd is None or w.in_postcopy or w.error:
        return
    senders.sync(w)
    plan = w.multifd.plan
    if not w.error and plan.packets and not plan.flush_after_each_section:
        put(w, FLUSH_WORD_BYTES)
        flush(w)


def end_of_sweep(w: World) -> None:
    """Sync at each wrap of the list of blocks, unless sections do it (find_dirty_block)."""
    if w.multifd is not None and not w.multifd.plan.flush_after_each_section:
        flush_and_sync(w)


def end_of_section(w: World) -> None:
    """Sync at the end of each section: machine types up to 8.0."""
    if w.multifd is not None and w.multifd.plan.flush_after_each_section:
        flush_and_sync(w)
