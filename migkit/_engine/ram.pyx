"""RAM: which page next, and what its record costs (migration/ram.c).

Pages go out in runs: equal records up to the next thing that could change the course (a write,
a look at the clock, the end of a block, a page of the other kind) are done in closed form.
"""

from libc.stdint cimport int64_t

from migkit._engine cimport xbzrle_page
from migkit._engine.bitmap cimport clear_bit, take
from migkit._engine.burst cimport CLOCK_STEPS, WRITE_PAGES, save_burst
from migkit._engine.decisions cimport pass_time_over
from migkit._engine.destination cimport note_page
from migkit._engine.dirty_map cimport end_of_stretch, find_next_dirty
from migkit._engine.faults cimport block_of
from migkit._engine.guest cimport advance
from migkit._engine.mapped_ram cimport queue_for_file, save_page, write_bitmaps
from migkit._engine.multifd cimport (
    end_of_section, end_of_sweep, pages_until, queue_run, takes,
)
from migkit._engine.page_record cimport (
    page_cost_ns, page_service_ns, put_page_record, put_zero_record,
)
from migkit._engine.preempt cimport serve
from migkit._engine.requests cimport requested, requested_page
from migkit._engine.stream cimport (
    RECORD_HEADER_BYTES, count_ram_bytes, flush, over_budget, pages_to_flush, put,
    put_pages, put_records, records_to_flush,
)
from migkit._engine.sync cimport bitmap_sync, clear_before_send
from migkit._engine.timeline cimport look
from migkit._engine.types cimport (
    EVENT_RAM_SAVE_COMPLETE, EVENT_RAM_SAVE_ITERATE_BIG_WAIT, PAGE_BYTES, SYNC_FINAL,
)
from migkit._engine.tracking cimport poll_fault, unprotect
from migkit._engine.world cimport World

cdef enum:
    UNLIMITED = 1 << 30
    ZERO_RECORD_BYTES = RECORD_HEADER_BYTES + 1


cdef int64_t iterate(World w) noexcept nogil:
    """Send pages until the budget, the time slice or the dirty pages run out.

    Returns 1 when a whole sweep found nothing dirty (ram_save_iterate).
    """
    cdef int64_t started = w.t, steps = 0, done = 0, sent
    while not over_budget(w) or requested(w):
        if w.error or w.interrupted:
            break
        sent = find_and_save_run(w, 1 + (-steps & (CLOCK_STEPS - 1)), started)
        if sent <= 0:
            done = sent + 1
            break
        if w.xbzrle is not None:
            w.xbzrle.target_pages += sent
        steps += sent
        if (steps - 1) & (CLOCK_STEPS - 1) == 0 and pass_time_over(w.t - started):
            w.emit(EVENT_RAM_SAVE_ITERATE_BIG_WAIT, (w.t - started) // 1_000_000, steps - 1)
            break
        if w.poll(1 + sent // WRITE_PAGES):
            break
    if not w.error:
        end_of_section(w)
    if not w.error:
        put(w, END_OF_SECTION_BYTES)
        count_ram_bytes(w, END_OF_SECTION_BYTES)
        flush(w)
    return done


cdef void complete(World w) noexcept nogil:
    """Send all that is left, with no budget and no time slice (ram_save_complete)."""
    cdef int64_t sent
    w.emit(EVENT_RAM_SAVE_COMPLETE, w.dirty_pages, 0)
    w.dirty_log.last_stage = True
    if w.xbzrle is not None:
        w.xbzrle.last_stage = True
    if not w.in_postcopy():
        bitmap_sync(w, SYNC_FINAL)
    while True:     # a broken stream does not end it: nothing looks at it here
        sent = find_and_save_run(w, UNLIMITED, -1)
        if sent <= 0 or w.poll(1 + sent // WRITE_PAGES):
            break
    end_of_section(w)
    if w.target.mapped_ram:
        write_bitmaps(w)
    put(w, END_OF_SECTION_BYTES)
    w.emit(EVENT_RAM_SAVE_COMPLETE, w.dirty_pages, 1)
    flush(w)


cdef int64_t find_and_save_run(World w, int64_t limit, int64_t pass_began) noexcept nogil:
    """Send the next dirty pages of the circular sweep, requested ones first.

    At most `limit`, or more when a look at the clock after so many would change nothing. Returns
    how many went out: 0 when everything is clean, -1 when multifd's channels broke
    (ram_find_and_save_block).
    """
    cdef int block
    cdef int64_t page, end
    cdef bint wrapped = False
    serve(w)
    limit = alike(w, limit)
    block = take_hint(w, &page)
    while True:
        if save_requested(w):
            return 1
        end = w.block_start[block + 1]
        page = find_next_dirty(&w.dirty_map, page, end)
        if wrapped and block == w.last_seen_block and page >= w.last_page:
            w.last_page = page
            w.t += w.host.sweep_ns
            return 0
        if page < end and xbzrle_page.active(w):
            look(w)
            if save_one(w, block, page):
                return 1
            page += 1       # unchanged: the search goes on, and nobody looks at budget or clock
            continue
        if page < end:
            break
        block += 1
        if block == w.blocks:
            block = 0
            wrapped = True
            if not begin_sweep(w):
                return -1
        page = w.block_start[block]
    look(w)
    end = min(end, clear_before_send(w, block, page))
    return save_pages(w, block, page, end, limit, pass_began)


cdef int64_t alike(World w, int64_t limit) noexcept nogil:
    """Return how many pages may go at once: one where the next may be another matter.

    What is found in a page is what the guest has written by now; somebody may change who looks.
    """
    if w.content.moves and not w.snapshot.on:
        advance(w)
        return 1
    return 1 if w.detection_changes > 0 else limit


cdef int64_t save_pages(
    World w, int block, int64_t page, int64_t end, int64_t limit, int64_t pass_began
) noexcept nogil:
    """Send dirty pages from this one on, each way in which it can be (ram_save_target_page)."""
    if takes(w, page) and w.target.mapped_ram:
        return queue_for_file(w, block, page)
    if takes(w, page):
        return queue_run(w, block, page, end_of_stretch(&w.dirty_map, page, end), limit)
    if w.snapshot.on or w.target.mapped_ram or w.in_postcopy() or block != w.last_sent_block:
        return save_apart(w, block, page)
    return save_run(w, block, page, end_of_stretch(&w.dirty_map, page, end), limit, pass_began)


cdef bint save_requested(World w) noexcept nogil:
    """Send a page that somebody waits for: a destination, or the guest of a snapshot."""
    cdef int64_t asked = -1
    cdef int block
    if w.snapshot.on:
        asked = poll_fault(w)
    elif w.in_postcopy() and not w.postcopy_preempt:
        asked = requested_page(w)
    if asked < 0:
        return False
    block = block_of(w, asked)
    look(w)
    clear_before_send(w, block, asked)
    save_apart(w, block, asked)
    return True


cdef bint begin_sweep(World w) noexcept nogil:
    """Note that a sweep is over: pages lie scattered from now on, and xbzrle begins.

    False when multifd, which syncs here, found its channels broken.
    """
    w.swept = True
    if w.xbzrle is not None:
        w.xbzrle.started = True
    return end_of_sweep(w)


cdef int64_t save_run(
    World w, int block, int64_t page, int64_t end, int64_t limit, int64_t pass_began
) noexcept nogil:
    """Send equal pages of the block that is in hand, in precopy."""
    cdef int64_t sent
    if w.finds_zero(page):
        return save_zero_run(w, block, page, end, limit)
    if not w.content.moves and w.detection_changes == 0:
        sent = save_burst(w, page, end, page_cost_ns(w), page_service_ns(w), limit, pass_began)
        if sent > 0:
            return sent
    return save_normal_run(w, block, page, end, limit)


cdef int take_hint(World w, int64_t *page) noexcept nogil:
    """Tell where the sweep goes on: behind an urgent page, if one is hinted at."""
    if w.hint_page < 0:
        page[0] = w.last_page
        return w.last_seen_block
    page[0] = w.hint_page
    w.hint_page = -1
    return w.hint_block


cdef int64_t save_apart(World w, int block, int64_t page) noexcept nogil:
    """Send one page that is no part of a run: asked for, in a snapshot, at its own place."""
    if w.target.mapped_ram:
        save_page(w, block, page)
    else:
        save_one(w, block, page)
    if w.snapshot.on:
        unprotect(w, page)
    return 1


cdef int64_t save_normal_run(
    World w, int block, int64_t page, int64_t end, int64_t limit
) noexcept nogil:
    """Send a run of pages with data, up to and with the next write."""
    cdef int64_t wanted = min(limit, pages_to_flush(w)), sent, after
    cdef int kind
    if wanted <= 0:
        return save_one(w, block, page)
    sent = take(w.bmap, w.zero_class(), page, end, wanted, &after, &kind)
    w.dirty_pages -= sent
    w.t += sent * page_cost_ns(w)
    w.batch_service_ns += sent * page_service_ns(w)
    w.normal_pages += sent
    count_ram_bytes(w, sent * (RECORD_HEADER_BYTES + PAGE_BYTES))
    w.last_seen_block = block
    w.last_page = after
    put_pages(w, sent, RECORD_HEADER_BYTES)
    return sent


cdef int64_t save_zero_run(
    World w, int block, int64_t page, int64_t end, int64_t limit
) noexcept nogil:
    """Send a run of zero pages, up to the next write."""
    cdef int64_t wanted = min(limit, records_to_flush(w, ZERO_RECORD_BYTES)), sent, after
    cdef int kind
    wanted = min(wanted, pages_until(w, w.host.zero_page_ns))
    if wanted <= 0:
        return save_one(w, block, page)
    sent = take(w.bmap, w.zero_class(), page, end, wanted, &after, &kind)
    w.dirty_pages -= sent
    w.t += sent * w.host.zero_page_ns
    w.batch_service_ns += sent * w.host.destination_zero_page_ns
    w.zero_pages += sent
    count_ram_bytes(w, sent * ZERO_RECORD_BYTES)
    w.last_seen_block = block
    w.last_page = after
    put_records(w, sent, ZERO_RECORD_BYTES)
    return sent


cdef int64_t save_one(World w, int block, int64_t page) noexcept nogil:
    """Write one page record and account it.

    Returns the pages sent: 0 when xbzrle found it as it was.
    """
    cdef bint cached = xbzrle_page.active(w)
    if cached:
        clear_before_send(w, block, page)
        advance(w)      # what is in the page now is what the cache takes
    clear_bit(w.bmap, page)
    w.dirty_pages -= 1
    if w.in_postcopy():
        note_page(w, page)
    if not w.finds_zero(page) and cached and xbzrle_page.save_page(w, block, page) == 0:
        return 0
    w.last_seen_block = block
    w.last_page = page + 1
    if w.finds_zero(page):
        put_zero_record(w, block)
        if cached:
            xbzrle_page.save_zero_page(w, block, page)
    elif not cached:
        put_page_record(w, block, True)
    return 1
