"""What is in a page counts at the moment it is sent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from migkit import Scenario, _engine, oracle
from migkit.guest import Guest
from migkit.guest.content import Content
from migkit.guest.writes import Writes
from migkit.oracle.content import PageContent
from migkit.plan import make_plan
from migkit.workloads import Sequential, Uniform
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import RecordedPages
from tests.engine.test_oracle_equality import assert_equal_recordings

MIB = 1 << 20


def counters(scenario: Scenario) -> dict:
    """Run both and return what they agree on."""
    plan = make_plan(scenario)
    fast = _engine.run(plan)
    assert_equal_recordings(fast, oracle.run(plan))
    return fast["counters"]


def recorded(t_ns: list[int], page: list[int], writes: str) -> RecordedPages:
    """Writes at known times to known pages of a working set of 100 from page 1000 on."""
    return RecordedPages(
        t_ns=np.array(t_ns),
        page=np.array(page),
        pages=100,
        base_page=1000,
        writes=Writes.parse(writes),
    )


def small(workload, content: str = "random", **more) -> Scenario:
    """A guest of 16 MiB, all of it with data, at 20 MiB/s: the first sweep takes 0.8 s."""
    return Scenario.build(
        memory=16 * MIB, workload=workload, content=content, bandwidth="20MiB/s", **more
    )


def test_shares_are_met_and_zero_pages_found() -> None:
    """Thirty percent of zero pages in runs of 64 are thirty percent of duplicates."""
    scenario = Scenario.build(
        memory="1GiB", content="zero:30%,random:50%,compressible(3):20%", bandwidth=0
    )
    plan = make_plan(scenario)
    content = PageContent(plan)
    counts = np.bincount(np.frombuffer(content.classes, np.uint8)[: 1 << 18], minlength=3)
    assert counts / (1 << 18) == pytest.approx([0.3, 0.2, 0.5], abs=0.02)
    firmware_zero = sum(plan.block_pages[1:]) - 52
    assert _engine.run(plan)["counters"]["duplicate_pages"] == counts[0] + firmware_zero


def test_extents_cover_shares() -> None:
    """A range of its own is what it says; pages that hold no data stay zero."""
    scenario = small("idle", "random,zero@10+20,data(7)@25+5")
    content = PageContent(make_plan(scenario))
    assert [content.data_bytes(page) for page in (9, 10, 24, 25, 29, 30)] == [
        4096,
        0,
        0,
        7,
        7,
        4096,
    ]


def test_page_zeroed_before_its_first_sending_goes_out_as_zero() -> None:
    """Page 1005 is zeroed at 50 ms, before the sweep comes to it: one zero page more."""
    quiet = counters(small("idle"))
    zeroed = counters(small(recorded([50_000_000], [5], "zero")))
    assert zeroed["duplicate_pages"] == quiet["duplicate_pages"] + 2  # and again, as it is dirty
    assert zeroed["normal_pages"] == quiet["normal_pages"] - 1


def test_page_zeroed_after_its_first_sending_goes_out_twice() -> None:
    """Zeroed at 400 ms, long after the sweep passed: data first, then zero."""
    quiet = counters(small("idle"))
    zeroed = counters(small(recorded([400_000_000], [5], "zero")))
    assert zeroed["duplicate_pages"] == quiet["duplicate_pages"] + 1
    assert zeroed["normal_pages"] == quiet["normal_pages"]


def test_page_filled_before_its_first_sending_is_a_page_with_data() -> None:
    """A zero page that is written before the sweep comes by is no zero page then."""
    quiet = counters(small("idle", "random,zero@1000+100"))
    filled = counters(small(recorded([50_000_000], [5], "delta(1x8)"), "random,zero@1000+100"))
    assert filled["duplicate_pages"] == quiet["duplicate_pages"] - 1
    assert filled["normal_pages"] == quiet["normal_pages"] + 2


def test_pages_filled_behind_the_sweep_count_as_both() -> None:
    """A zero page written after it was sent: zero first, data then."""
    quiet = counters(small("idle", "random,zero@1000+100"))
    filled = counters(small(recorded([400_000_000], [5], "random"), "random,zero@1000+100"))
    assert filled["duplicate_pages"] == quiet["duplicate_pages"]
    assert filled["normal_pages"] == quiet["normal_pages"] + 1


def test_always_dirty_zero_page_holds_data_once_the_guest_has_run() -> None:
    """The stack page of a guest that was zero at the start goes out with data."""
    guest = Guest.pc(16 * MIB, always_dirty_pages=[2000])
    base = Scenario.build(memory=16 * MIB, bandwidth="20MiB/s")
    quiet = counters(dataclasses.replace(base, guest=Guest.pc(16 * MIB)))
    busy = counters(dataclasses.replace(base, guest=guest))
    assert busy["duplicate_pages"] == quiet["duplicate_pages"] - 1


def test_each_phase_leaves_what_it_says() -> None:
    """The first phase fills all zero pages of its set, the second zeroes its own again."""
    phases = Phases(
        phases=(
            Phase(
                workload=Sequential(
                    rate_pages_per_s=1000,
                    pages=100,
                    base_page=1000,
                    writes=Writes.parse("random"),
                ),
                duration_ms=200,
            ),
            Phase(
                workload=Sequential(
                    rate_pages_per_s=1000, pages=30, base_page=1000, writes=Writes.parse("zero")
                ),
                duration_ms=60_000,
            ),
        )
    )
    content = PageContent(make_plan(small(phases, "zero")))
    for number in range(1, 101):
        content.write(999 + number, 0, number)
    for number in range(1, 31):
        content.write(999 + number, 1, number)
    assert [content.data_bytes(page) for page in (999, 1000, 1029, 1030, 1099, 1100)] == [
        0,
        0,
        0,
        4096,
        4096,
        0,
    ]
    counters(small(phases, "zero"))


def test_shares_of_writes_are_met() -> None:
    """A quarter of the writes zero their page: a quarter of the set is zero in the long run."""
    workload = Uniform(
        rate_pages_per_s=1000, pages=4000, writes=Writes.parse("zero:25%/compressible(2):75%")
    )
    content = PageContent(make_plan(small(workload)))
    numbers = range(1, 40_001)
    for number in numbers:
        content.write(number % 4000, 0, number)
    zero = sum(content.is_zero(page) for page in range(4000))
    assert zero / 4000 == pytest.approx(0.25, abs=0.03)
    assert {content.data_bytes(page) for page in range(4000)} == {0, 2048}


def test_without_zero_detection_zero_pages_are_pages() -> None:
    """What is in a page still counts for others, but no zero record goes out."""
    plain = counters(
        small("idle", "zero:50%,random:50%", parameters={"zero-page-detection": "none"})
    )
    assert plain["duplicate_pages"] == 0


@pytest.mark.parametrize("writes", ["delta(1x8)", "random", "count"])
def test_run_length_is_kept_where_no_class_moves(writes: str) -> None:
    """A working set that holds data keeps it: nothing is followed write by write."""
    workload = Uniform(rate_pages_per_s=500, pages=1000, writes=Writes.parse(writes))
    assert not make_plan(small(workload)).content.moves


def test_content_and_writes_survive_the_file(tmp_path) -> None:
    """Exact values come back from JSON; the text form of a scenario reads them from TOML."""
    scenario = small(
        "uniform:500,pages=100,write=zero:10%/delta(3x16):90%", "zero:30%,compressible(3):70%"
    )
    scenario.save(tmp_path / "scenario.json")
    assert Scenario.from_file(tmp_path / "scenario.json") == scenario
    assert scenario.guest.content == Content(((0, 30), (1365, 70)))
    toml = tmp_path / "scenario.toml"
    toml.write_text(
        'memory = "16MiB"\nbandwidth = "20MiB/s"\ncontent = "zero:30%,compressible(3):70%"\n'
        'workload = "uniform:500,pages=100,write=zero:10%/delta(3x16):90%"\n'
    )
    again = Scenario.from_file(toml)
    assert (again.guest, again.workload) == (scenario.guest, scenario.workload)
