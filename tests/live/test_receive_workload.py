"""Faults as a workload makes them."""

from __future__ import annotations

import numpy as np
import pytest

from migkit._engine.writers import make_writer
from migkit.errors import InputError, WorkloadError
from migkit.live import Receiver
from migkit.live.faults import NO_PAGE, pattern_of
from migkit.workloads import HotCold, Sequential
from migkit.workloads.text import parse_workload

PAGES = 4000
TEXT = "hotcold:3000,hot=40,percent=70,seed=5"


def asked(workload: str, until_s: float) -> list[tuple[float, int]]:
    """Follow a pattern; each page comes at once."""
    missing, found = np.ones(PAGES, np.bool_), []
    for moment, page in pattern_of(workload)(lambda: missing, 0):
        if moment > until_s:
            return found
        if page != NO_PAGE and missing[page]:
            found.append((moment, page))
            missing[page] = False
    return found


def test_it_asks_for_each_page_at_the_first_write_to_it() -> None:
    writer = make_writer(parse_workload(TEXT).within(PAGES))
    first: dict[int, float] = {}
    while (write := writer.next_write(1_000_000_000)) is not None:
        writer.drop_write()
        first.setdefault(write[1], write[0] / 1e9)
    assert len(first) > 500
    assert asked(f"workload:{TEXT}", 1.0) == [(moment, page) for page, moment in first.items()]


def test_it_goes_no_further_than_its_working_set_and_ends_when_nothing_is_missing() -> None:
    found = asked("workload:sequential:9000,set=4MiB", 1.0)
    assert [page for _, page in found] == list(range(1024))
    faults = pattern_of(Sequential(rate_pages_per_s=9000))
    assert list(faults(lambda: np.zeros(PAGES, np.bool_), 0)) == []


def test_a_working_set_that_is_here_already_passes_in_time_not_in_a_rush() -> None:
    missing = np.zeros(PAGES, np.bool_)
    missing[-1] = True
    going = pattern_of(HotCold(rate_pages_per_s=500, pages=100, hot_pages=10))(lambda: missing, 0)
    assert [next(going) for _ in range(3)] == [(0.01, NO_PAGE), (0.02, NO_PAGE), (0.03, NO_PAGE)]


def test_words_that_are_no_workload_are_refused_before_work_starts() -> None:
    with pytest.raises(WorkloadError, match="storm"):
        Receiver("tcp::0", faults="workload:storm:5")
    with pytest.raises(InputError, match="pages"):
        pattern_of("workload:uniform:10,pages=9000")(lambda: np.ones(PAGES, np.bool_), 0)
