"""Pages through the cache of xbzrle: by hand, by identities, and as its specification has it."""

from __future__ import annotations

import dataclasses
import statistics

from hypothesis import HealthCheck, given, settings

from migkit import Scenario, _engine, oracle, simulate
from migkit.guest import Guest
from migkit.oracle import xbzrle_rules as rules
from migkit.oracle.content import DELTA, FILL, Outcome
from migkit.oracle.page_cache import PageCache
from migkit.oracle.page_copy import PageCopy
from migkit.oracle.xbzrle import encode
from migkit.plan import Plan, make_plan
from migkit.schema import EVENT_CODES
from tests.engine.test_oracle_equality import assert_equal_recordings
from tests.engine.xbzrle_strategies import xbzrle_plans

MIB = 1 << 20
PAGE = 8 + 4096


def run(scenario: Scenario) -> dict:
    """Run both and return what they agree on."""
    plan = make_plan(scenario)
    recording = _engine.run(plan)
    assert_equal_recordings(recording, oracle.run(plan))
    return recording


def small(workload, **more) -> Scenario:
    """16 MiB, all of it random data, one sweep about 0.8 s, never converging in 4 s."""
    values = {
        "memory": 16 * MIB,
        "workload": workload,
        "content": "random",
        "bandwidth": "20MiB/s",
        "downtime_limit": "0ms",
        "capabilities": ["xbzrle"],
        "observe_for": "4s",
    }
    return Scenario.build(**values | more)


def count(recording: dict, event: str) -> int:
    """Count the events of a name."""
    return int((recording["events"][:, 1] == EVENT_CODES[event]).sum())


def xbzrle(recording: dict) -> tuple[int, int, int, int]:
    """Return misses, hits, overflows and encoded bytes."""
    names = ("cache_miss", "pages", "overflow", "bytes")
    return tuple(recording["counters"][f"xbzrle_{name}"] for name in names)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=xbzrle_plans())
def test_oracle_and_engine_cache_the_same(plan: Plan) -> None:
    """Many sweeps over few pages give the same recording from both."""
    assert_equal_recordings(_engine.run(plan), oracle.run(plan))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=xbzrle_plans())
def test_bytes_are_those_of_pages_and_records(plan: Plan) -> None:
    """Nothing is lost: RAM bytes are pages, zero pages, records and ends of passes."""
    recording = _engine.run(plan)
    counters = recording["counters"]
    skipped = count(recording, "save_xbzrle_page_skipping")
    records = counters["xbzrle_pages"] - skipped - counters["xbzrle_overflow"]
    ram = sum(counters[f"{phase}_bytes"] for phase in ("precopy", "downtime", "postcopy"))
    body = (
        PAGE * counters["normal_pages"]
        + 9 * counters["duplicate_pages"]
        + 8 * records
        + counters["xbzrle_bytes"]
        - 4096 * counters["xbzrle_overflow"]
    )
    ends = recording["iterations"]["decision"] == 0
    rest = ram - body - 8 * int(ends.sum())
    # What is left are names of blocks: 7 bytes of pc.ram, 4 of rom.
    assert rest >= 0
    assert any((rest - 7 * n) % 4 == 0 and rest >= 7 * n for n in range(rest // 7 + 1))


def cache(pages: int = 16, workload: str = "uniform:1,pages=100") -> PageCache:
    """An empty cache of a guest of 16 MiB."""
    scenario = small(workload, parameters={"xbzrle-cache-size": pages * 4096})
    return PageCache(make_plan(scenario))


def test_cache_is_direct_mapped_and_keeps_what_is_fresh() -> None:
    """Pages 1000 and 1016 share an entry of 16: the second one waits until the first is old."""
    held = cache()
    costs = held.planned.costs
    assert held.find(1000, 2) is None
    assert held.insert(1000, 2, 1000, 4096) == costs.first_copy_ns
    assert held.insert(1016, 2, 1016, 4096) == 0
    assert held.insert(1016, 3, 1016, 4096) == 0
    assert held.insert(1001, 3, 1001, 4096) == costs.first_copy_ns
    assert held.find(1000, 3) is not None  # a hit makes it fresh: to be replaced at sync 5
    assert held.insert(1016, 4, 1016, 4096) == 0
    assert held.insert(1016, 5, 1016, 4096) == costs.copy_ns
    assert held.find(1000, 5) is None
    assert held.find(1016, 5) is not None


def test_another_size_is_another_cache() -> None:
    """The same size changes nothing; another one forgets all."""
    held = cache()
    held.insert(1000, 2, 1000, 4096)
    held.resize(16 * 4096)
    assert held.find(1000, 2) is not None
    held.resize(32 * 4096)
    assert held.find(1000, 2) is None
    assert held.insert(1000, 2, 1000, 4096) == held.planned.costs.first_copy_ns


def sizes(held: PageCache, page: int, data_bytes: int = 4096) -> int | None:
    """Size of a page's record, None for an overflow."""
    entry = held.find(page, 9)
    assert entry is not None
    record = encode(*entry.copy.pair(data_bytes, held.real(page)), 4096)
    return None if record is None else len(record)


def test_unwritten_page_is_skipped_and_a_written_one_is_a_record() -> None:
    """Equal pages have no record; one place of eight bytes takes ten bytes, or eleven."""
    held = cache()
    held.insert(1000, 2, 1000, 4096)
    assert sizes(held, 1000) == 0
    held.written(1001, Outcome(DELTA, 0, 1, 8), 1)  # another page
    assert sizes(held, 1000) == 0
    held.written(1000, Outcome(DELTA, 0, 1, 8), 2)
    assert sizes(held, 1000) in (10, 11)
    held.written(1000, Outcome(DELTA, 0, 1, 8), 3)
    assert 12 <= sizes(held, 1000) <= 22


def test_page_that_was_filled_anew_overflows_unless_little_is_in_it() -> None:
    """Random over random does not fit; 100 data bytes take about as many."""
    held = cache()
    held.insert(1000, 2, 1000, 4096)
    held.written(1000, Outcome(FILL, 0, 0, 0), 1)
    assert sizes(held, 1000) is None
    held.insert(1000, 2, 1000, 100)
    held.written(1000, Outcome(FILL, 0, 0, 0), 2)
    assert 100 <= sizes(held, 1000, 80) <= 110
    held.insert(1000, 2, 1000, 0)
    held.written(1000, Outcome(FILL, 0, 0, 0), 3)
    assert sizes(held, 1000, 0) == 0  # zeros over zeros


def without_end(pages: range, **more) -> Scenario:
    """A guest of 16 MiB that writes some pages without end, and QEMU's downtime limit tiny."""
    scenario = small("idle", bandwidth="1MiB/s", downtime_limit="10ms", content=None, **more)
    guest = Guest.pc(16 * MIB, nonzero=[(pages.start, len(pages))], always_dirty_pages=pages)
    return dataclasses.replace(scenario, guest=guest)


def test_reference_guest_of_112_pages() -> None:
    """G5: 112 pages written without end are 112 misses, then a record each in every sweep."""
    recording = run(without_end(range(1000, 1112), observe_for="3s"))
    misses, hits, overflows, encoded = xbzrle(recording)
    assert (misses, overflows) == (112, 0)
    assert hits > 2 * 112
    assert count(recording, "save_xbzrle_page_skipping") == 0
    exact = recording["iterations"]["pending_exact_bytes"]
    assert set(exact[exact >= 0]) == {112 * 4096}
    fresh = recording["rounds"]["new_dirty_pages"]
    assert set(fresh[1:]) <= {112, 0}
    assert hits * (3 + 5) < encoded < hits * (3 + 20)
    assert recording["counters"]["pages_per_second"] > 1000


def test_last_stage_sends_records_and_leaves_the_cache_alone() -> None:
    """Completion asked for at once: the end is 112 records, and nothing is copied for it."""
    stopped = without_end(
        range(1000, 1112),
        parameters={"avail-switchover-bandwidth": 0},
        timeline=[
            {
                "command": "migrate-set-parameters",
                "at": "2.5s",
                "arguments": {"downtime-limit": 2000},
            }
        ],
    )
    recording = run(stopped)
    counters = recording["counters"]
    assert counters["status"] == "completed"
    assert counters["xbzrle_cache_miss"] == 112
    # 8 bytes of header, the record, and perhaps the block's name.
    assert 112 * (8 + 3 + 5) < counters["downtime_bytes"] < 112 * (8 + 3 + 20) + 7


def test_misses_go_through_the_buffer_and_are_flushed_every_32_kib() -> None:
    """Before the last stage a copy is sent: eight pages and a bit fill the buffer, not 32."""
    recording = run(without_end(range(1000, 1400), observe_for="3s"))
    windows = recording["windows"]
    budget = (1 << 20) // 10
    # A window ends with the first write over its budget, and the frame of a pass.
    second = recording["rounds"]["t_ns"][1] + 100_000_000
    first = windows["transferred_bytes"][windows["t_ns"] < second - 200_000_000]
    later = windows["transferred_bytes"][windows["t_ns"] > second]
    assert statistics.mode(first.tolist()) == 131328 + 18
    assert later.size > 5
    assert (later <= budget + 32768 + 18).all()


def test_rates_are_those_of_the_last_period() -> None:
    """Misses over pages sent; bytes of pages over those of records."""
    assert rules.cache_miss_rate(10, 40, 0.5) == 0.25
    assert rules.cache_miss_rate(10, 0, 0.5) == 0.5
    assert rules.encoding_rate(10, 400, 40, 0.0) == 10 * 4096 / 400
    assert rules.encoding_rate(0, 400, 40, 7.0) == 0.0
    assert rules.encoding_rate(5, 400, 0, 7.0) == 7.0
    counters = run(without_end(range(1000, 1112), observe_for="3s"))["counters"]
    assert counters["xbzrle_encoding_rate"] > 100
    assert counters["xbzrle_cache_miss_rate"] == 0.0


def test_summary_speaks_query_migrate() -> None:
    """The table xbzrle-cache is there if and only if the capability is on."""
    summary = simulate(small("uniform:200,pages=50,base=1000")).summary
    assert set(summary["xbzrle-cache"]) == {
        "bytes",
        "cache-miss",
        "cache-miss-rate",
        "cache-size",
        "encoding-rate",
        "overflow",
        "pages",
    }
    assert "xbzrle-cache" not in simulate(small("idle", capabilities=[])).summary


def test_changed_places_of_a_copy_differ() -> None:
    """A delta of P places of B bytes changes at most P * B bytes, and never none."""
    for serial in range(50):
        copy = PageCopy(serial, 4096, None)
        copy.change(3, 16)
        old, new = copy.pair(4096, None)
        assert 16 <= sum(a != b for a, b in zip(old, new, strict=True)) <= 48
