"""The guest that is imagined to run here: it dirties pages by a workload, in real time.

Its contents stay those that were saved, whatever it is said to write: what arrives last is the
guest as it was, so that it runs on at the destination.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from migkit._engine.bitmap import Bitmap
from migkit._engine.writers import make_writer
from migkit.workloads import Idle, Workload

__all__ = ["GuestWrites"]


class GuestWrites:
    """Pages dirtied since the migration began, chosen by the workload's seed.

    Parameters
    ----------
    workload : Workload or None
        What dirties the first RAM block; None is idle.
    pages : int
        Of the first RAM block.
    """

    def __init__(self, workload: Workload | None, pages: int) -> None:
        spec = (workload if workload is not None else Idle()).within(pages)
        self._writer = make_writer(spec)
        self._pages = pages
        self._log = Bitmap(pages)
        self._began_ns = 0
        self._stopped_ns: int | None = None

    @property
    def running(self) -> bool:
        """Whether the guest still runs here."""
        return self._stopped_ns is None

    def start(self) -> None:
        """Let its clock begin."""
        self._began_ns = time.monotonic_ns()

    def stop(self) -> None:
        """Let its clock stand still."""
        self._stopped_ns = time.monotonic_ns()

    def take_log(self) -> npt.NDArray[np.int64]:
        """Return the pages written since the last time, and forget them."""
        now = time.monotonic_ns() if self._stopped_ns is None else self._stopped_ns
        self._writer.write_into(now - self._began_ns, self._log)
        self._writer.raise_failure()
        pages = np.array(self._log.pages(), np.int64)
        self._log.clear_range(0, self._pages)
        return pages
