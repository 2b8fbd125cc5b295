"""RAM: its first section, a pass of it, its last section, and the pages in between.

Source: migration/ram.c (ram_save_setup, ram_save_iterate, ram_save_complete,
ram_find_and_save_block, ram_postcopy_send_discard_bitmap).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit._engine import decisions
from migkit.stream import writer

from .differences import active, send_differences
from .outgoing import Outgoing
from .replies import Request
from .sync import sync

__all__ = [
    "complete",
    "discard",
    "end_of_sweep",
    "iterate",
    "multifd_sync",
    "release",
    "serve_urgent",
    "setup",
]

_RAM = ("ram", 0, 4)
_FLUSH_PAGES = 32
"""Pages after which QEMU's file is full: 64 entries, a header and a page each."""
_MOST_AT_ONCE = 512
"""Pages in a flush where no limit asks for small ones: what one call of the system takes."""
_BUFFER_RECORDS = 3640
"""Records of zero pages that fill the 32 KiB buffer of QEMU's file."""


def setup(m: Outgoing) -> None:
    """Write the first section of RAM; the first sync of the dirty bitmap is in it."""
    file, section = m.file, m.image.ram_section
    file.put(writer.head_start(section, *_RAM))
    sync(m)
    if m.places is not None:
        m.places.write_block_list()
    else:
        told = "postcopy-ram" in m.capabilities
        blocks = [b if told else dataclasses.replace(b, page_bytes=None) for b in m.image.blocks]
        file.put(writer.block_list(blocks))
    multifd_sync(m)
    file.put(writer.EOS)
    file.flush()
    file.put(writer.footer(section))


def multifd_sync(m: Outgoing) -> None:
    """Empty the multifd channels and mark the place in the main stream; nothing in postcopy."""
    if m.multifd is not None and not m.in_postcopy:
        m.multifd.flush_and_sync()
        if m.places is None:
            m.file.put(writer.FLUSH)
            m.file.flush()


def end_of_sweep(m: Outgoing) -> None:
    """Empty the multifd channels; from now on xbzrle has something to compare with."""
    multifd_sync(m)
    if m.xbzrle is not None:
        m.xbzrle.started = True


def iterate(m: Outgoing) -> None:
    """Send pages until the budget is used up, 50 ms are over or none is dirty."""
    section = m.image.ram_section
    m.trail.add("savevm_state_iterate")
    m.trail.add("savevm_section_start", id="ram", section_id=section)
    m.file.put(writer.head_part(section))
    began, done = time.monotonic_ns(), 0
    while not m.limiter.exceeded() or _has_requests(m):
        m.check()
        sent = _send_some(m)
        if not sent:
            done = 1
            break
        if m.xbzrle is not None:
            m.xbzrle.target_pages += sent
        if decisions.pass_time_over(time.monotonic_ns() - began):
            break
    m.file.put(writer.EOS)
    m.count_bytes(len(writer.EOS))
    m.file.flush()
    m.file.put(writer.footer(section))
    m.trail.add("savevm_section_end", id="ram", section_id=section, ret=done)


def complete(m: Outgoing) -> None:
    """Send all that is left, without regard to limits, and end RAM."""
    section = m.image.ram_section
    m.trail.add("savevm_section_start", id="ram", section_id=section)
    m.file.put(writer.head_end(section))
    m.trail.add("ram_save_complete", dirty=m.dirty.count, done=0)
    if not m.in_postcopy:
        sync(m, last=True)
    if m.xbzrle is not None:
        m.xbzrle.last_stage = True
    while sent := _send_some(m):
        m.counted.pages_in_complete += sent
        m.check()
    if m.places is not None:
        m.file.flush()
        count = m.places.write_bitmaps()
        m.counted.file_bytes += count
        m.count_bytes(count)
    m.file.put(writer.EOS)
    m.trail.add("ram_save_complete", dirty=m.dirty.count, done=1)
    m.file.flush()
    m.file.put(writer.footer(section))
    m.trail.add("savevm_section_end", id="ram", section_id=section, ret=0)


def discard(m: Outgoing) -> None:
    """Tell the destination which pages to throw away; the search begins anew."""
    sync(m, last=True)
    m.dirty.rewind()
    m.file.pages.forget_block()
    size = m.image.page_size
    for number, block in enumerate(m.image.blocks):
        runs = [(first * size, count * size) for first, count in m.dirty.runs(number)]
        m.file.commands(writer.discards(block.name, runs))


def release(m: Outgoing, pages: npt.NDArray[np.int64]) -> None:
    """Give back pages that nobody reads here any more: release-ram, in postcopy."""
    if "release-ram" in m.capabilities and m.in_postcopy:
        m.image.release(pages)
        m.released(len(pages))


def serve_urgent(m: Outgoing, request: Request) -> None:
    """Send a request's pages through their own channel, at once: postcopy-preempt.

    Since 10.1 the background goes on behind it (migration/ram.c, postcopy_preempt_send_host_page).
    """
    pages = _requested(m, request, move=m.rule == "after")
    if not len(pages) or m.urgent is None:
        return
    number = m.dirty.block_of(int(pages[0]))
    block = m.image.blocks[number]
    zero = m.image.zero[pages]
    within = pages - block.first_page
    parts = m.urgent_pages.records(block.name, within, zero, m.image.view(block))
    m.trail.add("postcopy_preempt_send_host_page", block=block.name, offset=int(within[0]))
    m.urgent.writev(parts)
    m.counted.urgent_bytes += sum(map(len, parts))
    m.count_pages(zero, sum(map(len, parts)))
    release(m, pages)
    request.served_ns = m.trail.now_ns()


def _has_requests(m: Outgoing) -> bool:
    return m.replies is not None and bool(m.replies.waiting)


def _send_some(m: Outgoing) -> int:
    """Send what was asked for, or else the next pages; return how many there were."""
    while m.replies is not None and m.replies.waiting:
        request = m.replies.waiting.popleft()
        pages = _requested(m, request, move=True)
        if len(pages):
            _put(m, pages)
            m.file.flush()
            release(m, pages)
            request.served_ns = m.trail.now_ns()
            return len(pages)
    if active(m):
        return send_differences(m)
    few = m.limiter.limited or m.in_postcopy
    most = _FLUSH_PAGES if few else _MOST_AT_ONCE
    pages = m.dirty.take(_BUFFER_RECORDS, _first_normal(m.image.zero, most))
    if len(pages):
        _put(m, pages)
        m.file.flush()
        release(m, pages)
    return len(pages)


def _first_normal(
    zero: npt.NDArray[np.bool_], most: int
) -> Callable[[npt.NDArray[np.int64]], int]:
    """Return what tells how many pages have no more than so many with contents among them."""
    return lambda pages: int(np.searchsorted(np.cumsum(~zero[pages]), most, side="right"))


def _requested(m: Outgoing, request: Request, *, move: bool) -> npt.NDArray[np.int64]:
    size = m.image.page_size
    block = next(block for block in m.image.blocks if block.name == request.block)
    first, count = request.start // size, request.length // size
    pages = m.dirty.take_range(block.first_page + first, count, move=move)
    request.pages = len(pages)
    place = {"block": block.name, "offset": request.start, "page_abs": block.first_page + first}
    m.trail.add("get_queued_page" if len(pages) else "get_queued_page_not_dirty", **place)
    return pages


def _put(m: Outgoing, pages: npt.NDArray[np.int64]) -> None:
    number = m.dirty.block_of(int(pages[0]))
    block = m.image.blocks[number]
    within = pages - block.first_page
    if m.multifd is not None and not m.in_postcopy:
        m.multifd.give(number, within)
        return
    zero = m.image.zero[pages]
    if m.places is not None:
        m.file.flush()
        count = m.places.write(m.file.fileno(), number, within, zero)
        m.counted.file_bytes += count
        m.count_pages(zero, count)
        return
    parts = m.file.pages.records(block.name, within, zero, m.image.view(block))
    m.count_pages(zero, m.file.put_all(parts))
