"""The guest that runs here while it is sent: it dirties pages by a workload, in real time.

Of `GuestWrites` the contents stay those that were saved, whatever it is said to write: what
arrives last is the guest as it was, so that it runs on at the destination. `WritingGuest` has a
thread that really writes, and logs what it wrote.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from migkit.workloads import Idle, Workload

from .guest_image import GuestImage
from .vcpu import DirtyRing, Vcpu

__all__ = ["GuestWrites", "WritingGuest"]

_TURN_S = 0.001


class GuestWrites:
    """Pages dirtied since the migration began, chosen by the workload's seed.

    Parameters
    ----------
    workload : Workload or None
        What dirties the first RAM block; None is idle.
    pages : int
        Of the first RAM block.

    Attributes
    ----------
    vcpu : Vcpu
        What makes the writes, and is slowed down.
    """

    def __init__(self, workload: Workload | None, pages: int) -> None:
        spec = (workload if workload is not None else Idle()).within(pages)
        self.vcpu = Vcpu(spec, pages)
        self._began_ns = 0
        self._stopped_ns: int | None = None

    @property
    def running(self) -> bool:
        """Whether the guest still runs here."""
        return self._stopped_ns is None

    @property
    def age_ns(self) -> int:
        """Nanoseconds since its clock began, also while it stands still."""
        return time.monotonic_ns() - self._began_ns

    def start(self) -> None:
        """Let its clock begin."""
        self._began_ns = time.monotonic_ns()

    def stop(self) -> None:
        """Let its clock stand still."""
        self._stopped_ns = time.monotonic_ns()

    def end(self) -> None:
        """Let go of everything."""

    def resume(self) -> None:
        """Run on here, where no other side can: a guest that was saved has nothing to run."""

    def take_log(self) -> npt.NDArray[np.int64]:
        """Return the pages written since the last time, and forget them."""
        pages = self._written()
        self.vcpu.read_ring()
        return pages

    def throttle(self, percentage: int) -> None:
        """Let its vCPU sleep for this share of its time: auto-converge."""
        self.vcpu.throttle(percentage, self._ran_ns)

    def limit(self, quota_mb_per_s: int, period_ms: int, tell: Callable[..., object]) -> None:
        """Let its vCPU dirty no more than this, by its dirty ring: dirty-limit."""
        now = self._ran_ns
        self.vcpu.limit(DirtyRing(quota_mb_per_s, period_ms, now, tell), now)

    @property
    def _ran_ns(self) -> int:
        """Nanoseconds since its clock began, until it stood still."""
        now = time.monotonic_ns() if self._stopped_ns is None else self._stopped_ns
        return now - self._began_ns

    def _written(self) -> npt.NDArray[np.int64]:
        return self.vcpu.written(self._ran_ns)


class WritingGuest(GuestWrites):
    """A guest that really writes to the memory that is sent: a number that grows, into each page.

    Parameters
    ----------
    workload : Workload or None
        What dirties the first RAM block; None is idle.
    image : GuestImage
        Its memory changes.

    Notes
    -----
    A page is logged after it was written, so a write that a sync has missed is in the next one.
    """

    def __init__(self, workload: Workload | None, image: GuestImage) -> None:
        pages = image.blocks[0].used_length // image.page_size
        super().__init__(workload, pages)
        words = image.memory.view(np.uint64).reshape(-1, image.page_size // 8)
        self._words, self._zero = words[:pages], image.zero
        self._turn = 0
        self._log: list[npt.NDArray[np.int64]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guest", daemon=True)

    def start(self) -> None:
        """Let it run."""
        super().start()
        self._thread.start()

    def stop(self) -> None:
        """Let it do the writes that are due, and no more."""
        super().stop()
        self.end()

    def end(self) -> None:
        """End its thread, whatever became of the migration."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def take_log(self) -> npt.NDArray[np.int64]:
        """Do the writes that are due; return the pages written since the last time."""
        self._write()
        with self._lock:
            log, self._log = self._log, []
        self.vcpu.read_ring()
        return np.concatenate([np.empty(0, np.int64), *log])

    def _run(self) -> None:
        while not self._over.wait(_TURN_S):
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            self._turn += 1
            pages = self._written()
            self._words[pages, 0] = self._turn
            self._zero[pages] = False
            self._log.append(pages)
