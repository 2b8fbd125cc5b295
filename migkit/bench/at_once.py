"""Two simulations at once: in two threads, and for comparison in two processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

from migkit import _engine
from migkit.plan import Plan

__all__ = ["TwoProcesses", "in_threads"]

_CHILD = """
import sys
from migkit import _engine
from migkit.bench import cases
plan = cases.converging(sys.argv[1])
_engine.run(plan)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        _engine.run(plan)
    print("done", flush=True)
"""


def in_threads(plan: Plan, threads: int, runs: int) -> float:
    """Let threads simulate at once.

    Parameters
    ----------
    plan : Plan
        What each simulates.
    threads, runs : int
        How many threads, and how often each simulates.

    Returns
    -------
    float
        Seconds of wall time until all are done.
    """

    def work() -> None:
        for _ in range(runs):
            _engine.run(plan)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return time.perf_counter() - began


class TwoProcesses:
    """Two processes that simulate `cases.converging` when told; a context.

    Parameters
    ----------
    memory : str
        Size of the guest.
    """

    def __init__(self, memory: str) -> None:
        self._pair = [
            subprocess.Popen(
                [sys.executable, "-c", _CHILD, memory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]

    def __enter__(self) -> Self:
        """Wait until both have begun."""
        self._answers()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End both."""
        for process in self._pair:
            process.communicate()

    def seconds(self, runs: int) -> float:
        """Let both simulate so often; return the wall time until both are done."""
        began = time.perf_counter()
        for process in self._pair:
            assert process.stdin is not None
            process.stdin.write(f"{runs}\n")
            process.stdin.flush()
        self._answers()
        return time.perf_counter() - began

    def _answers(self) -> None:
        for process in self._pair:
            assert process.stdout is not None
            process.stdout.readline()
