"""The vCPU of the guest that runs here: what it writes, and how it is slowed down.

It is bound by its vCPU: while that sleeps, its clock stands still and nothing is caught up. All
that decides is `migkit._engine.throttling`. Sources: `migkit.live.run_time`; system/dirtylimit.c,
migration/dirtyrate.c.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit._engine import throttling
from migkit._engine.bitmap import Bitmap
from migkit._engine.writers import make_writer
from migkit.host.logging_costs import LoggingCosts
from migkit.live.run_time import RunTime
from migkit.workloads import Workload

__all__ = ["RING_ENTRIES", "DirtyRing", "Vcpu"]

Pages = npt.NDArray[np.int64]
RING_ENTRIES = 4096
"""The size of a dirty ring that QEMU's manual gives dirty-limit: ``dirty-ring-size=4096``."""
_RING_LIMIT = RING_ENTRIES - LoggingCosts().ring_reserved_entries
_NS_PER_MS = 1_000_000


class DirtyRing:
    """A dirty ring under a limit: how long its vCPU sleeps whenever it is full.

    Parameters
    ----------
    quota_mb_per_s, period_ms : int
        The limit, and for how long each measurement lasts.
    now_ns : int
        When the first begins.
    tell : callable
        Gets name and arguments of trace events.

    Attributes
    ----------
    sleep_us : int
        Sleep of the vCPU with a full ring.
    rate_mb_per_s, largest_mb_per_s : int
        What the last measurement gave, and the most that was ever adjusted to.
    """

    def __init__(
        self, quota_mb_per_s: int, period_ms: int, now_ns: int, tell: Callable[..., object]
    ) -> None:
        self.sleep_us = self.rate_mb_per_s = self.largest_mb_per_s = 0
        self._quota, self._period_ms, self._tell = quota_mb_per_s, period_ms, tell
        self._entries: set[int] = set()
        self._read_out = self._measured = 0
        self.measure_ns = now_ns + period_ms * _NS_PER_MS

    def add(self, page: int) -> int:
        """Take a page that was written; return for how long the vCPU sleeps now, nanoseconds."""
        self._entries.add(page)
        if len(self._entries) < _RING_LIMIT:
            return 0
        self.read_out()
        if self.sleep_us:
            self._tell("dirtylimit_vcpu_execute", vcpu=0, sleep=self.sleep_us)
        return self.sleep_us * 1000

    def read_out(self) -> None:
        """Empty it; its pages are followed anew."""
        self._read_out += len(self._entries)
        self._entries.clear()

    def measure(self) -> None:
        """End a measurement, adjust the sleep, begin the next one (dirtylimit_process)."""
        self.read_out()
        pages, self._measured = self._read_out - self._measured, self._read_out
        rate = self.rate_mb_per_s = throttling.dirty_limit_rate(pages, self._period_ms)
        percent, step_us = throttling.dirty_limit_linear_step(
            self._quota, rate, RING_ENTRIES, max(self.largest_mb_per_s, rate)
        )
        self.sleep_us, self.largest_mb_per_s = throttling.dirty_limit_step(
            self._quota, rate, self.sleep_us, RING_ENTRIES, self.largest_mb_per_s
        )
        if percent > 0:
            self._tell("dirtylimit_throttle_pct", vcpu=0, percentage=percent, step=step_us)
        self.measure_ns += self._period_ms * _NS_PER_MS

    @property
    def full_us(self) -> int:
        """Time in which it is full at the last rate; 0 where nothing was written."""
        if not self.rate_mb_per_s:
            return 0
        largest = max(self.largest_mb_per_s, self.rate_mb_per_s)
        return throttling.dirty_limit_full_us(RING_ENTRIES, largest)


class Vcpu:
    """Makes the writes of a workload as far as it is let to; any thread may ask it.

    Parameters
    ----------
    workload : Workload
        Fitted to the guest.
    pages : int
        Of the guest's first RAM block.

    Attributes
    ----------
    ring : DirtyRing or None
        With a dirty limit in force.
    """

    def __init__(self, workload: Workload, pages: int) -> None:
        self.ring: DirtyRing | None = None
        self._writer = make_writer(workload)
        self._pages = pages
        self._log = Bitmap(pages)
        self._lock = threading.Lock()
        self._time = RunTime()
        self._slept_ns = 0

    @property
    def percentage(self) -> int:
        """QEMU's ``cpu-throttle-percentage``."""
        return self._time.percentage

    def written(self, now_ns: int) -> Pages:
        """Let it run until now; return the pages that it has written since the last time."""
        with self._lock:
            if self.ring is None:
                self._writer.write_into(self._time.at(now_ns), self._log)
                self._writer.raise_failure()
            else:
                self._fill(self.ring, now_ns)
            pages = np.array(self._log.pages(), np.int64)
            self._log.clear_range(0, self._pages)
        return pages

    def read_ring(self) -> None:
        """Read its ring out, as a sync does."""
        with self._lock:
            if self.ring is not None:
                self.ring.read_out()

    def throttle(self, percentage: int, now_ns: int) -> None:
        """Let it sleep for this share of its time; from the next tick on (cpu_throttle_set)."""
        with self._lock:
            self._time.throttle(percentage, now_ns)

    def limit(self, ring: DirtyRing, now_ns: int) -> None:
        """Let it fill a ring from now on, and sleep with it full."""
        with self._lock:
            self._slept_ns = now_ns - self._time.at(now_ns)
            self.ring = ring

    def _fill(self, ring: DirtyRing, now_ns: int) -> None:
        """Make write by write, and let the ring decide when the next one is due."""
        while True:
            write = self._writer.next_write(max(now_ns - self._slept_ns, 0))
            at = now_ns + 1 if write is None else write[0] + self._slept_ns
            if ring.measure_ns <= min(at, now_ns):
                ring.measure()
            elif write is None or at > now_ns:
                return
            else:
                self._writer.drop_write()
                self._log.add(write[1])
                self._slept_ns += ring.add(write[1])
