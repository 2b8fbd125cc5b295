"""Cost of the engine: a guest of 8 GiB, and the plain-Python oracle on one that it can manage.

Run it with ``make bench``. Times are medians of several runs in one process; what counts are the
ratios, for they hold on a busy machine too.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from migkit import __version__, _engine, oracle
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario

RUNS = 5


def converging(memory: str) -> Plan:
    """A guest that dirties 20,000 pages/s over 10 Gbit/s."""
    return make_plan(Scenario.build(memory=memory, bandwidth="10Gbit/s", workload="uniform:20000"))


def seconds(run: Callable[[Plan], Any], plan: Plan, runs: int = RUNS) -> float:
    """Median time of a run."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        run(plan)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def peak_bytes() -> int:
    """Peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def figures() -> dict[str, float]:
    """Measure."""
    floor = peak_bytes()
    large, small = converging("8GiB"), converging("128MiB")
    out = {"guest_8gib_seconds": seconds(_engine.run, large)}
    out["guest_8gib_peak_bytes"] = peak_bytes() - floor
    compiled, plain = seconds(_engine.run, small), seconds(oracle.run, small, 1)
    out["guest_128mib_seconds"] = compiled
    out["guest_128mib_oracle_seconds"] = plain
    out["ratio_to_python_oracle"] = plain / compiled
    return out


if __name__ == "__main__":
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    print(json.dumps({"migkit": __version__, "figures": figures(), "machine": machine}, indent=2))
