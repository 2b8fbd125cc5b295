"""Running the engine: interruption, progress, callbacks, threads, the same bytes every time."""

from __future__ import annotations

import _thread
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from migkit import _engine
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.workloads import Uniform
from tests.engine.test_oracle_equality import assert_equal_recordings


def endless() -> Plan:
    """A migration that would take minutes of real time."""
    return make_plan(
        Scenario.build(
            memory="4GiB", workload="uniform:900000", bandwidth="1Gbit/s", observe_for="1000000s"
        )
    )


def test_interrupt_ends_a_run() -> None:
    """Ctrl-C in the main thread raises KeyboardInterrupt in the middle of a run."""
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        _engine.run(endless())
    timer.join()


def test_progress_sees_time_grow_and_can_stop_the_run() -> None:
    """The progress function gets growing times; what it raises comes out."""
    seen: list[int] = []

    def progress(t_ns: int) -> None:
        seen.append(t_ns)
        if len(seen) == 5:
            raise RuntimeError("seen enough")

    with pytest.raises(RuntimeError, match="seen enough"):
        _engine.run(endless(), progress)
    assert len(seen) == 5
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_threads_do_not_change_a_byte() -> None:
    """Eight runs at once give what they give one after the other."""
    made = [
        make_plan(Scenario.build(memory="64MiB", workload="uniform:3000", seed=seed))
        for seed in range(1, 9)
    ]
    alone = [_engine.run(plan) for plan in made]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(_engine.run, made))
    for one, other in zip(alone, together, strict=True):
        assert_equal_recordings(one, other)


def test_seed_decides_the_run() -> None:
    """Another seed gives other rounds."""
    one, other = (
        _engine.run(
            make_plan(
                Scenario.build(
                    memory="64MiB", workload="uniform:3000", seed=seed, bandwidth="16MiB/s"
                )
            )
        )
        for seed in (1, 2)
    )
    assert not np.array_equal(one["rounds"]["new_dirty_pages"], other["rounds"]["new_dirty_pages"])


def test_a_plan_can_be_run_again() -> None:
    """A run changes nothing in its plan."""
    plan = make_plan(Scenario.build(memory="64MiB", workload=Uniform(rate_pages_per_s=500)))
    assert_equal_recordings(_engine.run(plan), _engine.run(plan))
