"""RAM: which page next, and what its record costs (migration/ram.c)."""

from __future__ import annotations

from migkit.oracle import (
    decisions,
    destination,
    faults,
    guest,
    mapped_ram,
    multifd,
    preempt,
    timeline,
    tracking,
    xbzrle_page,
)
from migkit.oracle.codes import Event, SyncReason
from migkit.oracle.incoming import PAGE, SENT_NS
from migkit.oracle.page_record import put_page_record, put_zero_record
from migkit.oracle.stream import count_ram_bytes, flush, put, rate_exceeded
from migkit.oracle.sync import bitmap_sync, clear_before_send
from migkit.oracle.world import PAGE_BYTES, World

END_OF_SECTION_BYTES = 8


def iterate(w: World) -> int:
    """Send pages until the budget, the time slice or the dirty pages run out.

    Returns 1 when a whole sweep found nothing dirty (ram_save_iterate).
    """
    started, steps, done = w.t, 0, 0
    while not rate_exceeded(w) or requested(w):
        if w.error:
            break
        sent = find_and_save_page(w)
        if sent <= 0:
            done = sent + 1
            break
        if w.xbzrle is not None:
            w.xbzrle.target_pages += 1
        if steps & 63 == 0 and decisions.pass_time_over(w.t - started):
            elapsed_ms = (w.t - started) // 1_000_000
            w.emit(Event.RAM_SAVE_ITERATE_BIG_WAIT, elapsed_ms, steps)
            break
        steps += 1
    if not w.error:
        multifd.end_of_section(w)
    if not w.error:
        put(w, END_OF_SECTION_BYTES)
        count_ram_bytes(w, END_OF_SECTION_BYTES)
        flush(w)
    return done


def requested(w: World) -> bool:
    """Whether the destination has asked for something: that is served beyond the budget."""
    if not w.in_postcopy or w.plan.postcopy_preempt:
        return False
    destination.hear(w)
    return bool(w.incoming.asked)


def complete(w: World) -> None:
    """Send all that is left, with no budget and no time slice (ram_save_complete)."""
    w.emit(Event.RAM_SAVE_COMPLETE, w.dirty_pages, 0)
    w.last_stage = True
    if w.xbzrle is not None:
        w.xbzrle.last_stage = True
    if not w.in_postcopy:
        bitmap_sync(w, SyncReason.FINAL)
    while find_and_save_page(w) > 0:  # a broken stream does not end it: nothing looks at it here
        pass
    multifd.end_of_section(w)
    if mapped_ram.is_on(w):
        mapped_ram.write_bitmaps(w)
    put(w, END_OF_SECTION_BYTES)
    w.emit(Event.RAM_SAVE_COMPLETE, w.dirty_pages, 1)
    flush(w)


def find_and_save_page(w: World) -> int:
    """Send the next dirty page of the circular sweep, requested pages first.

    Returns the pages sent: 0 when everything is clean, -1 when multifd's channels broke
    (ram_find_and_save_block).
    """
    preempt.serve(w)
    if w.plan.content.moves and w.plan.snapshot is None:
        # What is found in a page is what the guest has written by now.
        guest.advance(w)
    (block, page), wrapped = preempt.take_hint(w), False
    while True:
        asked = requested_page(w) if w.plan.snapshot is None else tracking.poll_fault(w)
        if asked >= 0:
            block, page = faults.block_of(w, asked), asked
            sent = send_page(w, block, page)
            break
        end = w.block_start[block + 1]
        page = w.bmap.find(1, page, end)
        if page < 0:
            page = end
        if wrapped and block == w.last_seen_block and page >= w.last_page:
            w.last_page = page
            w.t += w.plan.host.sweep_ns
            return 0
        if page < end:
            sent = send_page(w, block, page)
            if sent != 0:
                break
            page += 1  # unchanged: the search goes on, and nobody looks at budget or clock
            continue
        block += 1
        if block == len(w.plan.block_pages):
            block, wrapped = 0, True
            w.swept = True
            if w.xbzrle is not None:
                w.xbzrle.started = True
            multifd.end_of_sweep(w)
            if w.error and w.multifd is not None:
                return -1
        page = w.block_start[block]
    w.last_seen_block, w.last_page = block, page + 1
    return sent


def send_page(w: World, block: int, page: int) -> int:
    """Send a page in the way of its target; in a snapshot, let the guest write to it then."""
    timeline.look(w)
    if mapped_ram.is_on(w):
        sent = save_for_file(w, block, page)
    else:
        sent = save_page(w, block, page)
    if w.plan.snapshot is not None:
        tracking.unprotect(w, page)
    return sent


def save_for_file(w: World, block: int, page: int) -> int:
    """Write a page at its place, or queue it for a channel that does."""
    if not multifd.takes(w, page):
        clear_before_send(w, block, page)
        return mapped_ram.save_page(w, block, page)
    sent = save_page(w, block, page)
    if sent > 0 and not w.content.is_zero(page):  # else its channel finds out, or does not look
        w.note_in_file(page, True)
    return sent


def requested_page(w: World) -> int:
    """Next page that the destination asked for and that is still dirty, or -1."""
    if not w.in_postcopy or w.plan.postcopy_preempt:
        return -1
    destination.hear(w)
    while w.incoming.asked:
        row = w.incoming.asked.popleft()
        page = row[PAGE]
        block = faults.block_of(w, page)
        offset = (page - w.block_start[block]) * PAGE_BYTES
        if w.bmap[page]:
            w.emit(Event.GET_QUEUED_PAGE, block, offset, page)
            row[SENT_NS] = w.t
            return page
        w.emit(Event.GET_QUEUED_PAGE_NOT_DIRTY, block, offset, page)
    return -1


def save_page(w: World, block: int, page: int) -> int:
    """Write one page record and account it (ram_save_target_page).

    Returns the pages sent: 0 when xbzrle found it as it was.
    """
    clear_before_send(w, block, page)
    cache = w.xbzrle if xbzrle_page.active(w) else None
    if cache is not None:
        guest.advance(w)  # what is in the page now is what the cache takes
    w.bmap[page] = 0
    w.dirty_pages -= 1
    if multifd.takes(w, page):
        return multifd.queue_page(w, block, page)
    if w.in_postcopy:
        w.incoming.batch.append(page)
    if w.finds_zero(page):
        put_zero_record(w, block)
        if cache is not None:
            xbzrle_page.save_zero_page(w, cache, block, page)
        return 1
    if cache is not None:
        return xbzrle_page.save_page(w, cache, block, page)
    put_page_record(w, block, by_reference=True)
    return 1
