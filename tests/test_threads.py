"""Work in threads: the same in any number of them, and nothing goes on after an end."""

from __future__ import annotations

import _thread
import threading

import pandas as pd
import pytest

from migkit import datasets
from migkit.errors import InputError
from migkit.scenario import Scenario
from migkit.simulate import simulate
from migkit.threads import in_order, thread_count
from migkit.validate import validate

SMALL = Scenario.build(memory="64MiB", workload="uniform:900", bandwidth="1Gbit/s", seed=5)
LARGE = Scenario.build(memory="4GiB", workload="uniform:900000", observe_for="1000000s")


def test_results_come_in_order_whoever_is_done_first() -> None:
    """The first item waits for the second."""
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            assert second_done.wait(30)
        second_done.set()
        return item * 10

    assert list(in_order(work, [1, 2, 3], threads=2)) == [10, 20, 30]


def test_one_and_eight_threads_give_the_same_bytes() -> None:
    """Replicates do not depend on how many are simulated at once."""
    one = simulate(SMALL, replicates=24, threads=1)
    eight = simulate(SMALL, replicates=24, threads=8)
    pd.testing.assert_frame_equal(one.frame, eight.frame)
    assert one.frame.to_csv() == eight.frame.to_csv()
    assert one.frame["total_time_ms"].nunique() > 1


def test_captures_validated_at_once_give_the_same_numbers() -> None:
    """All that is compared is equal; only the time it took is not."""

    def numbers(threads: int) -> list[dict[str, object]]:
        told: list[str] = []
        found = validate(
            [datasets.capture_folder(name) for name in ("idle", "cut-same-moment-after")],
            replicates=3,
            threads=threads,
            progress=lambda position, number, name: told.append(name),
        )
        assert told == [item.name for item in found.comparisons]
        rows = found.to_dict()["captures"]
        for row in rows:
            del row["seconds_to_simulate"]
        return rows

    assert numbers(1) == numbers(8)


def test_a_failure_ends_the_others() -> None:
    """What a thread raises comes out; the others would take hours and do not go on."""
    before = threading.active_count()

    def progress(t_ns: int) -> None:
        if threading.current_thread().name.endswith("_0"):
            raise RuntimeError("seen enough")

    with pytest.raises(RuntimeError, match="seen enough"):
        simulate(LARGE, replicates=3, threads=3, progress=progress)
    assert threading.active_count() == before


def test_ctrl_c_ends_all_threads() -> None:
    """Ctrl-C while the caller waits ends replicates that would take hours."""
    before = threading.active_count()
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        simulate(LARGE, replicates=6, threads=3)
    timer.join()
    assert threading.active_count() == before


def test_work_inside_of_work_stays_in_its_thread() -> None:
    """Threads do not multiply."""

    def work(_: int) -> set[str]:
        return set(in_order(lambda _: threading.current_thread().name, range(4), threads=4))

    assert all(len(names) == 1 for names in in_order(work, range(3), threads=2))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_checked(threads: object) -> None:
    """One error names value, range and way out."""
    with pytest.raises(InputError, match="1 or more"):
        simulate(SMALL, replicates=2, threads=threads)  # type: ignore[call-overload]
    assert thread_count(None) >= 1
