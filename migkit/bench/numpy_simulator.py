"""The same migration as a plain NumPy program: an array element a guest page.

What the engine is held against. It is written as one would write a page-level simulator in NumPy:
pages are found, counted and cleared by whole arrays, writes are drawn by the batch, and Python
runs once for each write of the stream, not for each page. It knows plain precopy only and gives
the same bytes, pages, syncs and times as the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from migkit.errors import InputError
from migkit.oracle import decisions
from migkit.plan import Plan

from .numpy_guest import NumpyGuest
from .numpy_stream import NumpyStream

__all__ = ["run"]

PAGE_BYTES = 4096
RECORD_HEADER_BYTES = 8
CLOCK_STEPS = 64


def run(plan: Plan) -> dict[str, Any]:
    """Simulate a plain precopy migration.

    Parameters
    ----------
    plan : Plan
        Without capabilities, timeline, iterables, noise or observation's end before completion; a
        uniform workload with the generator ``counter``.

    Returns
    -------
    dict
        ``total_time_ms``, ``downtime_ms``, ``transferred_bytes``, ``dirty_sync_count``,
        ``normal_pages``, ``duplicate_pages``.

    Raises
    ------
    InputError
        If the plan holds something else.
    """
    simulator = NumpySimulator(plan)
    simulator.set_up()
    while not simulator.finished:
        simulator.turn()
    return simulator.counters()


@dataclass
class Window:
    """What the accounting of a window starts from."""

    began_ms: int
    bytes: int = 0


class NumpySimulator:
    """State of one migration.

    Parameters
    ----------
    plan : Plan
        See `run`.
    """

    def __init__(self, plan: Plan) -> None:
        _refuse_more(plan)
        self.plan, self.host = plan, plan.host
        self.starts = np.concatenate(([0], np.cumsum(plan.block_pages))).tolist()
        pages = self.starts[-1]
        self.dirty = np.ones(pages, dtype=bool)
        self.zero = np.full(pages, plan.zero_page_detection > 0)
        for first, count in plan.nonzero_extents:
            self.zero[first : first + count] = False
        self.guest = NumpyGuest(plan)
        self.stream = NumpyStream(plan)
        self.block = self.position = 0
        self.named_block = -1
        self.swept = self.finished = False
        self.normal_pages = self.duplicate_pages = 0
        self.syncs = self.exact_syncs = 0
        self.threshold_size = 0
        self.rate_limit_max = decisions.rate_limit_max(plan.max_bandwidth_bytes_per_s)
        self.window = Window(0)
        self.rate_limit_start = 0
        self.total_time_ms = self.downtime_ms = 0

    @property
    def now_ms(self) -> int:
        """The millisecond clock, truncated."""
        return (self.stream.t + self.host.clock_phase_ns) // 1_000_000

    def set_up(self) -> None:
        """Write header and START sections, fetch the dirty log for the first time."""
        plan, stream = self.plan, self.stream
        self.start_ms = self.now_ms
        stream.t += self.host.thread_start_ns
        self.window.began_ms = self.now_ms
        stream.put(13 + len(plan.machine_name))
        stream.t += self.host.setup_ns
        self.sync(exact=False)
        names = sum(9 + size for size in plan.block_id_bytes)
        stream.put(plan.early_device_state_bytes + 25 + 8 + names)
        stream.flush()
        stream.put(5)

    def sync(self, exact: bool) -> None:
        """Take over what the guest dirtied."""
        self.syncs += 1
        self.guest.advance(self.stream.t, self.dirty)
        pages = len(self.dirty)
        self.stream.t += self.host.sync_fixed_ns + pages * self.host.sync_page_ps // 1000
        if exact:
            self.exact_syncs += 1
            self.stream.t += self.host.sync_first_ns * (self.exact_syncs == 1)

    @property
    def pending(self) -> int:
        """Bytes left."""
        return int(np.count_nonzero(self.dirty)) * PAGE_BYTES

    def over_budget(self) -> bool:
        """Whether the window's bytes are sent."""
        return decisions.rate_exceeded(
            self.stream.transferred, self.rate_limit_start, self.rate_limit_max
        )

    def turn(self) -> None:
        """Make a pass if there is budget, then end the window."""
        if not self.over_budget():
            self.iterate()
            if self.finished:
                return
        self.close_window()
        if self.over_budget():
            sleep_ms = decisions.rate_limit_sleep_ms(self.window.began_ms, self.now_ms)
            if sleep_ms > 0:
                self.stream.t += sleep_ms * 1_000_000 + self.host.limiter_wake_ns

    def iterate(self) -> None:
        """Ask what is left, and complete or send."""
        self.stream.t += self.host.pass_ns
        pending, after = self.pending, self.plan.rule_after
        wanted = (
            decisions.exact_wanted_after(False, pending, self.threshold_size)
            if after
            else decisions.exact_wanted_before(pending, self.threshold_size)
        )
        if wanted:
            self.sync(exact=True)
            pending = self.pending
        rule = decisions.completion_after if after else decisions.completion_before
        decision = rule(False, pending, pending, self.threshold_size, True, False)
        if decision == 1:
            self.complete()
        elif not self.over_budget():
            self.section()
            self.send(self.stream.t)
            self.stream.put(8)
            self.stream.flush()
            self.stream.put(5)

    def section(self) -> None:
        """Begin a section of RAM."""
        self.stream.t += self.host.section_ns
        self.stream.put(5)

    def close_window(self) -> None:
        """Measure the bandwidth if the window is over."""
        now = self.now_ms
        if not decisions.window_closes(now, self.window.began_ms):
            return
        sent = self.stream.transferred
        self.threshold_size = decisions.threshold_size(
            sent - self.window.bytes,
            now - self.window.began_ms,
            self.plan.avail_switchover_bandwidth_bytes_per_s,
            self.plan.downtime_limit_ms,
        )
        self.rate_limit_start = sent
        self.window = Window(now, sent)

    def complete(self) -> None:
        """Stop the guest and send the rest."""
        stream, host = self.stream, self.host
        stopped_ms = self.now_ms
        self.guest.advance(stream.t, self.dirty)
        self.guest.running = False
        stream.t += host.vm_stop_ns
        self.rate_limit_max = 0
        stream.put(5)
        stream.flush()
        self.section()
        self.sync(exact=False)
        self.send(None)
        stream.put(8)
        stream.flush()
        stream.put(5)
        stream.t += host.device_state_ns
        stream.put(self.plan.device_state_bytes + 1 + self.plan.vmdesc_bytes)
        stream.flush()
        self.downtime_ms = self.now_ms - stopped_ms
        self.total_time_ms = self.now_ms - self.start_ms
        self.finished = True

    def send(self, began: int | None) -> None:
        """Send dirty pages until budget, time slice or pages run out."""
        steps = 0
        while not self.over_budget():
            pages = self.next_pages()
            if pages is None:
                return
            sent, over = self.send_run(pages, steps, began)
            self.dirty[pages[:sent]] = False
            self.position = int(pages[sent - 1]) + 1
            steps += sent
            if over:
                return

    def next_pages(self) -> np.ndarray | None:
        """Return the dirty pages from the sweep's position to its block's end; None: all clean."""
        block, page, wrapped = self.block, self.position, False
        while True:
            end = self.starts[block + 1]
            pages = np.flatnonzero(self.dirty[page:end]) + page
            first = int(pages[0]) if len(pages) else end
            if wrapped and block == self.block and first >= self.position:
                self.position = first
                self.stream.t += self.host.sweep_ns
                return None
            if len(pages):
                self.block = block
                return pages
            block += 1
            if block == len(self.starts) - 1:
                block, wrapped, self.swept = 0, True, True
            page = self.starts[block]

    def send_run(self, pages: np.ndarray, steps: int, began: int | None) -> tuple[int, bool]:
        """Send the pages of the first kind; return how many, and whether the time is over."""
        kinds = self.zero[pages]
        others = np.flatnonzero(kinds != kinds[0])
        count = int(others[0]) if len(others) else len(pages)
        header = RECORD_HEADER_BYTES
        if self.block != self.named_block:
            header += 1 + self.plan.block_id_bytes[self.block]
            self.named_block = self.block
            count = 1
        host = self.host
        if kinds[0]:
            costs = host.zero_page_ns, host.destination_zero_page_ns
        elif self.swept:
            costs = host.sparse_page_ns, host.destination_page_ns
        else:
            costs = host.normal_page_ns, host.first_touch_page_ns
        budget = self.rate_limit_start + self.rate_limit_max if self.rate_limit_max else None
        clock = None if began is None else (began, 1 + (-steps & CLOCK_STEPS - 1))
        sent, over = self.stream.send(count, header, bool(kinds[0]), costs, budget, clock)
        if kinds[0]:
            self.duplicate_pages += sent
        else:
            self.normal_pages += sent
        return sent, over

    def counters(self) -> dict[str, Any]:
        """Return what query-migrate tells at the end."""
        return {
            "total_time_ms": self.total_time_ms,
            "downtime_ms": self.downtime_ms,
            "transferred_bytes": self.stream.transferred,
            "dirty_sync_count": self.syncs,
            "normal_pages": self.normal_pages,
            "duplicate_pages": self.duplicate_pages,
        }


def _refuse_more(plan: Plan) -> None:
    """Refuse what would not be simulated."""
    writes = plan.workload
    more = plan.timeline or plan.iterables or plan.limiter_late_ns or plan.has_return_path
    more = more or plan.auto_converge or plan.pause_before_switchover or plan.content.moves
    rate = writes.rate_pages_per_s
    uniform = writes.kind == "uniform" and writes.generator == "counter" and rate == int(rate)
    if more or not uniform:
        raise InputError.of(
            f"plan with a workload {writes.kind} for the NumPy simulator",
            "allowed plain precopy of a uniform workload",
            "leave out capabilities, timeline and iterables",
        )
