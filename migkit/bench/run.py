"""The figures of the benchmark, one after the other, in one process."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

from migkit import _engine, oracle
from migkit.plan import Plan
from migkit.simulate import simulate

from . import cases, numpy_simulator
from .at_once import TwoProcesses, in_threads
from .machine import machine
from .timing import Timing, peak_bytes, slope, timed

__all__ = ["benchmark"]

COUNTERS = (
    "total_time_ms",
    "downtime_ms",
    "transferred_bytes",
    "dirty_sync_count",
    "normal_pages",
    "duplicate_pages",
)
"""What has to be equal before times are compared."""

_TERABYTE = """
from migkit import _engine
from migkit.bench import cases
_engine.run(cases.idle("1TiB"))
"""
_NOTHING: Callable[[str], object] = lambda _: None  # noqa: E731


def benchmark(quick: bool = False, say: Callable[[str], object] = _NOTHING) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    quick : bool
        A sixty-fourth of the memory that the figures' names say (``memory_divisor``), and fewer
        runs: to see that it works.
    say : callable
        Told what is measured next.

    Returns
    -------
    dict
        ``figures``: name to number, times in seconds of processor time, medians of several runs;
        ``spread``: least, median and most of the runs behind a time; ``machine``.
    """
    bench = _Bench(quick)
    for title, measure in bench.parts.items():
        say(title)
        measure()
    return {"figures": bench.figures, "spread": bench.spread, "machine": machine()}


class _Bench:
    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.turns = 5 if quick else 15
        self.figures: dict[str, Any] = {"memory_divisor": 64} if quick else {}
        self.spread: dict[str, Any] = {}
        self.parts: dict[str, Callable[[], None]] = {
            "engine, NumPy and oracle": self.against_others,
            "1 TiB": self.terabyte,
            "cost against size, dirty rate and rounds": self.growth,
            "two threads": self.threads,
            "capabilities": self.capabilities,
        }

    def memory(self, gib: int) -> str:
        """Write a size; with `quick` the same number of 16 MiB."""
        return f"{gib * 16}MiB" if self.quick else f"{gib}GiB"

    def note(self, name: str, timing: Timing) -> float:
        """Keep a time and its spread; return the median."""
        self.figures[name] = timing.median
        self.spread[name] = timing.to_dict()
        return timing.median

    def engine(self, plan: Plan, runs: int = 9) -> Timing:
        """Time the engine."""
        return timed(lambda: _engine.run(plan), min(runs, 3) if self.quick else runs)

    def against_others(self) -> None:
        """Let all three simulate the same migration, in turn."""
        plan = cases.converging(self.memory(8))
        found = [
            {name: counters[name] for name in COUNTERS}
            for counters in (
                _engine.run(plan)["counters"],
                numpy_simulator.run(plan),
                oracle.run(plan)["counters"],
            )
        ]
        self.figures["equal_results"] = found[0] == found[1] == found[2]
        before = self.engine(plan, 25)
        numpy = timed(lambda: numpy_simulator.run(plan), 3)
        plain = timed(lambda: oracle.run(plan), 1)
        after = self.engine(plan, 25)
        compiled = self.note("guest_8gib_seconds", Timing(before.runs + after.runs))
        self.figures["guest_8gib_repeated_ratio"] = after.median / before.median
        self.figures["ratio_to_numpy_simulator"] = self.note("numpy_seconds", numpy) / compiled
        self.figures["ratio_to_python_oracle"] = self.note("oracle_seconds", plain) / compiled
        call = timed(lambda: simulate(cases.guest(self.memory(8))).rounds, 9)
        self.note("guest_8gib_call_seconds", call)

    def terabyte(self) -> None:
        """Simulate a terabyte, idle and busy, and see the memory it takes."""
        size = self.memory(1024)
        self.note("guest_1tib_seconds", self.engine(cases.idle(size), 5))
        self.note("guest_1tib_busy_seconds", self.engine(cases.converging(size, 100_000), 3))
        if not self.quick:
            self.figures["guest_1tib_peak_bytes"] = peak_bytes(_TERABYTE)

    def growth(self) -> None:
        """Fit how the cost grows."""
        sizes = [self.memory(gib) for gib in (4, 16, 64, 256)]
        rates = (10_000, 40_000, 160_000)
        watched = (10, 20, 40) if self.quick else (40, 80, 160, 320)
        self.fit("memory", (1, 4, 16, 64), [cases.converging(size) for size in sizes])
        self.fit("dirty_rate", rates, [cases.converging(self.memory(8), r) for r in rates])
        plans = [cases.busy(seconds) for seconds in watched]
        rounds = [_engine.run(plan)["counters"]["dirty_sync_count"] for plan in plans]
        self.fit("rounds", rounds, plans)

    def fit(self, name: str, sizes: Any, plans: list[Plan]) -> None:
        """Fit one exponent, with its range between neighbours."""
        found = slope(sizes, [min(self.engine(plan, 5).runs) for plan in plans])
        self.figures[f"exponent_{name}"] = found.exponent
        self.figures[f"exponent_{name}_least"] = found.least
        self.figures[f"exponent_{name}_most"] = found.most

    def threads(self) -> None:
        """Run two at once, in threads and in processes by turns; wall time.

        On a busy machine both wait for processors; their ratio still shows what threads wait for.
        """
        if (os.cpu_count() or 1) < 2:
            return
        memory, runs = self.memory(8), 20
        plan = cases.converging(memory)
        spans: dict[str, list[float]] = {"one": [], "threads": [], "processes": []}
        with TwoProcesses(memory) as pair:
            for _ in range(3 if self.quick else 15):
                spans["one"].append(in_threads(plan, 1, runs))
                spans["threads"].append(in_threads(plan, 2, runs))
                spans["processes"].append(pair.seconds(runs))
        for name, seconds in spans.items():
            self.spread[f"wall_seconds_{name}"] = Timing(tuple(seconds)).to_dict()
        two, median = min(spans["threads"]), statistics.median
        self.figures["threads_two_runs_ratio"] = two / min(spans["one"])
        self.figures["threads_against_processes_ratio"] = median(spans["threads"]) / median(
            spans["processes"]
        )

    def capabilities(self) -> None:
        """Divide the time with each capability by the time without it, taken by turns."""
        for name, plans in cases.capability_plans().items():
            turns = [[self.engine(plan, 1).median for plan in plans] for _ in range(self.turns)]
            on, off = (min(times) for times in zip(*turns, strict=True))
            self.figures[f"ratio_with_{name.replace('-', '_')}"] = on / off
