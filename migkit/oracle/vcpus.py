"""The vCPUs: whose turn a write is.

While the vCPUs keep up with the program, nobody needs to know which of them writes. From the
moment on at which they may not, each goes its own way through the program's writes: write number
n, from 0 when migration began, is made by vCPU n modulo their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migkit.oracle.writers import make_writer

if TYPE_CHECKING:
    from migkit.oracle.world import World


class Vcpu:
    """One vCPU.

    Parameters
    ----------
    w : World
        What it belongs to; the program has come to ``guest_progress_ns``.
    index : int
        Which one.

    Attributes
    ----------
    free_ns : int
        When it can make it, virtual time.
    ring : list of int
        Pages in its dirty ring.
    dirty_pages : int
        Entries ever read out of the ring (CPUState.dirty_pages).
    sleep_end_ns, sleep_us : int
        End of its last sleep for a full ring; how long the next one is.
    """

    def __init__(self, w: World, index: int) -> None:
        self.index = index
        self.count = w.plan.vcpus
        self.writer = w.writer
        if self.count > 1:
            self.writer = make_writer(w.plan.workload, w.plan.workload_lead_ns)
            self.writer.advance(w.guest_progress_ns, lambda page: None)
        self.free_ns = 0
        self.ring: list[int] = []
        self.dirty_pages = 0
        self.sleep_end_ns = 0
        self.sleep_us = 0

    def next_write(self, program_ns: int) -> tuple[int, int, int, int] | None:
        """Return its next write, if one is due by then: program time, page, phase, number."""
        while (look := self.writer.look()) is not None and look[0] <= program_ns:
            at, page, source, number = look
            if page is not None and self.writer.number % self.count == self.index:
                return at, page, source, number
            self.writer.step()
        return None
