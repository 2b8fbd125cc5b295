"""Times and memory of a piece of work."""

from __future__ import annotations

import gc
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Slope", "Timing", "peak_bytes", "slope", "timed"]

_PEAK = """
import sys
try:
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(lines["VmHWM"].split()[0]) * 1024)
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else peak * 1024)
"""


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs of the same work."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median run."""
        return statistics.median(self.runs)

    def to_dict(self) -> dict[str, float | int]:
        """Return least, median and most seconds, and how many runs there were."""
        return {
            "min": min(self.runs),
            "median": self.median,
            "max": max(self.runs),
            "runs": len(self.runs),
        }


def timed(
    work: Callable[[], object],
    runs: int,
    clock: Callable[[], float] = time.process_time,
) -> Timing:
    """Time some work.

    Parameters
    ----------
    work : callable
        The work.
    runs : int
        How often it is done.
    clock : callable
        Processor time of this process, in seconds, so that other programs on the machine count
        little; or another clock.

    Returns
    -------
    Timing
        Seconds of each run. Garbage of earlier work is collected before, not in between.
    """
    taken = []
    gc.collect()
    for _ in range(runs):
        began = clock()
        work()
        taken.append(clock() - began)
    return Timing(tuple(taken))


@dataclass(frozen=True)
class Slope:
    """How a cost grows with something: the exponent of a power law."""

    exponent: float
    least: float
    most: float


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> Slope:
    """Fit a line through the logarithms of sizes and times.

    Parameters
    ----------
    sizes, seconds : sequence of float
        Above zero, sizes ascending, at least two of each.

    Returns
    -------
    Slope
        The line's slope by least squares, and the least and the most slope between neighbours.

    Examples
    --------
    >>> slope([1, 2, 4], [3, 6, 12]).exponent
    1.0
    """
    x, y = [math.log2(size) for size in sizes], [math.log2(value) for value in seconds]
    fitted = statistics.linear_regression(x, y).slope
    steps = [(d - c) / (b - a) for a, b, c, d in zip(x, x[1:], y, y[1:], strict=False)]
    return Slope(fitted, min(steps), max(steps))


def peak_bytes(work: str) -> int:
    """Return how much memory some work takes at most, above that of the bare interpreter.

    Parameters
    ----------
    work : str
        Python source; it runs in a process of its own.

    Returns
    -------
    int
        Peak of the resident memory, less that of a process that does nothing.
    """
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", source + _PEAK],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for source in (work, "")
    ]
    return peaks[0] - peaks[1]
