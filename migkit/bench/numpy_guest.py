"""The guest of the NumPy simulator: uniform writes, drawn by the array."""

from __future__ import annotations

import numpy as np

from migkit.oracle.draws import GOLDEN, stream_key
from migkit.plan import Plan

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


class NumpyGuest:
    """Writes of a uniform workload.

    Parameters
    ----------
    plan : Plan
        With that workload.
    """

    def __init__(self, plan: Plan) -> None:
        self.workload = plan.workload
        self.rate = int(plan.workload.rate_pages_per_s)
        self.pages = plan.workload.pages or 0
        self.always = np.array(plan.always_dirty_pages, dtype=np.int64)
        self.key = np.uint64(stream_key(self.workload.seed, 0))
        self.written = self.due(plan.workload_lead_ns - 1)
        self.lead_ns = plan.workload_lead_ns
        self.run_ns = self.seen_ns = 0
        self.running = True

    def due(self, run_ns: int) -> int:
        """Count the writes that the program has made by then."""
        batch_ns = self.workload.batch_ms * 1_000_000
        return max(run_ns // batch_ns * batch_ns * self.rate // 10**9, 0)

    def advance(self, t_ns: int, dirty: np.ndarray) -> None:
        """Dirty what is written up to now."""
        elapsed = t_ns - self.seen_ns
        self.seen_ns = t_ns
        if not self.running or elapsed <= 0:
            return
        self.run_ns += elapsed
        due = self.due(self.run_ns + self.lead_ns)
        numbers = self.draws(np.arange(self.written + 1, due + 1, dtype=np.uint64))
        self.written = due
        size = np.uint64(self.pages)
        high = (numbers >> _HALF) * size + ((numbers & _LOW) * size >> _HALF) >> _HALF
        dirty[high.astype(np.int64) + self.workload.base_page] = True
        dirty[self.always] = True

    def draws(self, positions: np.ndarray) -> np.ndarray:
        """Return numbers of the stream (SplitMix64)."""
        z = self.key + positions * np.uint64(GOLDEN)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)
