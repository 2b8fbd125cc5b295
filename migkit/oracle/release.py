"""Memory that the source gives back in postcopy (release-ram; migration/ram.c, qemu-file.c).

At the switch every clean page goes; later a zero page as it is sent, a page of data once the
write that carries it is done.
"""

from __future__ import annotations

from migkit.oracle.world import World


def put_page(w: World) -> None:
    """Note that a page of data is in the vector: it goes with the next write."""
    if w.plan.release is not None and w.in_postcopy:
        w.pages_to_release += 1


def written(w: World) -> None:
    """Give back what the vector held, written or lost (qemu_iovec_release_ram)."""
    if w.pages_to_release:
        give_back(w, w.pages_to_release)
        w.pages_to_release = 0


def sent(w: World) -> None:
    """Give back a page whose contents nothing refers to any more (ram_release_page)."""
    if w.plan.release is not None and w.in_postcopy:
        give_back(w, 1)


def by_other_thread(w: World) -> int:
    """Give back a page that another thread has sent; return the time it takes that thread."""
    costs = w.plan.release
    if costs is None:
        return 0
    w.released_pages += 1
    return costs.range_ns + costs.page_ns


def give_back(w: World, pages: int) -> None:
    """Give back pages one by one."""
    costs = w.plan.release
    w.released_pages += pages
    w.t += pages * (costs.range_ns + costs.page_ns)


def at_switch(w: World) -> None:
    """Give back every run of clean pages (ram_postcopy_migrated_memory_release)."""
    costs = w.plan.release
    if costs is None:
        return
    for first, end in zip(w.block_start, w.block_start[1:], strict=False):
        page = w.bmap.find(0, first, end)
        while page >= 0:
            after = w.bmap.find(1, page, end)
            after = end if after < 0 else after
            w.released_pages += after - page
            w.t += costs.range_ns + (after - page) * costs.page_ns
            page = w.bmap.find(0, after, end)
