"""The dirty log by hand: a chunk's life in every mode, and that no write is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from migkit import _engine, oracle
from migkit.guest import Guest
from migkit.guest.ram_block import RamBlock
from migkit.oracle import guest, ram
from migkit.oracle.dirty_log import DirtyLog
from migkit.oracle.world import World
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES
from migkit.workloads.recorded import RecordedPages
from tests.engine.strategies import plans
from tests.engine.test_oracle_equality import assert_equal_recordings

ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]
MS = 1_000_000
PAGE_BYTES = 4096
MODES = ("tcg", "kvm,manual-protect=off", "kvm", "kvm,initially-set=off",
         "kvm,dirty-ring-size=1024")  # fmt: skip


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


def scripted(accelerator: str, writes: list[tuple[int, int]], **values: Any) -> Plan:
    """Two blocks of 256 and 70 pages, all data; 64 pages a window; writes at (ms, page)."""
    blocks = (
        RamBlock("ram", 256 * PAGE_BYTES, ((0, 256),)),
        RamBlock("rom", 70 * PAGE_BYTES, ((0, 70),)),
    )
    times, pages = zip(*writes, strict=True)
    built = Scenario.build(
        memory="1MiB",
        accelerator=f"{accelerator},x-clear-bitmap-shift=6",
        # One write of 32 pages and a second one are over the budget of 200,000 bytes.
        **{"bandwidth": 2_000_000, "downtime_limit": "1ms", "observe_for": "3s", **values},
    )
    return make_plan(
        replace(
            built,
            guest=Guest(256 * PAGE_BYTES, blocks),
            workload=RecordedPages(
                t_ns=np.array(times) * MS, page=np.array(pages), pages=256, base_page=0
            ),
        )
    )


@ENGINES
def test_a_chunk_is_cleared_before_its_first_page_once_after_a_sync(run: Run) -> None:
    """Four chunks of 64 pages; the block of 70 pages is no whole words and has none."""
    for accelerator in MODES:
        recording = run(scripted(accelerator, [(2500, 0)]))
        cleared = rows(recording, "migration_bitmap_clear_dirty")
        syncs = rows(recording, "migration_bitmap_sync_end")[:, 0]
        first_sweep = cleared[cleared[:, 0] < syncs[1]]
        size = 64 * PAGE_BYTES
        assert first_sweep[:, 2:6].tolist() == [
            [0, chunk * size, size, chunk * 64] for chunk in range(4)
        ]


@ENGINES
@pytest.mark.parametrize(
    ("accelerator", "found"),
    [
        # Sync 1 is at 1 ms; pages 0..63 go out at once, 64..127 from 100 ms on, ...
        ("tcg", [200, 10]),  # both written after sync 1
        ("kvm,manual-protect=off", [200, 10]),
        ("kvm,dirty-ring-size=1024", [200, 10]),
        # Nothing is protected before the chunk is cleared: the write to page 200 at 20 ms is in
        # the copy that is sent at 300 ms, the one to page 10 at 150 ms comes after its clear.
        ("kvm", [10]),
        # All are protected at once; the bit of page 200 was set after the fetch and stays.
        ("kvm,initially-set=off", [200, 10]),
    ],
)
def test_writes_before_a_chunk_is_cleared(run: Run, accelerator: str, found: list[int]) -> None:
    """A write seen before the chunk's clear goes with the first copy, under initially-set."""
    recording = run(scripted(accelerator, [(20, 200), (150, 10)]))
    assert recording["rounds"]["new_dirty_pages"][:2].tolist() == [0, len(found)]


@ENGINES
def test_a_page_written_between_sync_and_clear_goes_once(run: Run) -> None:
    """Fetched at the second sync, written again before its chunk's clear: not dirty after it.

    Page 250 is written at 350 ms and fetched by the sync at 500 ms with 190 others; its chunk is
    cleared when the sweep comes to it, 300 ms later. A write at 600 ms lies in between.
    """
    spread = [(350, page) for page in range(0, 190)] + [(350, 250)]
    again = [(600, 250)]
    found = {}
    for accelerator in ("tcg", "kvm"):
        recording = run(scripted(accelerator, spread + again))
        rounds = recording["rounds"]
        at = int(np.flatnonzero(rounds["new_dirty_pages"])[0])
        assert rounds["end_ns"][at] < 600 * MS
        found[accelerator] = int(rounds["new_dirty_pages"][at + 1 :].sum())
    assert found == {"tcg": 1, "kvm": 0}


@ENGINES
def test_old_qemu_clears_to_the_end(run: Run) -> None:
    """Up to 10.0 the final pass clears chunks, since 10.1 it does not."""
    for version, rule, clears in (("10.0.13", "before", True), ("10.2.2", "after", False)):
        recording = run(
            scripted("kvm", [(2000, 5)], qemu_version=version, rule=rule, downtime_limit="2s")
        )
        stopped = rows(recording, "migration_completion_vm_stop")[0, 0]
        late = rows(recording, "migration_bitmap_clear_dirty")[:, 0] > stopped
        assert recording["counters"]["status"] == "completed"
        assert bool(late.any()) == clears


@ENGINES
def test_clearing_costs_the_migration_thread(run: Run) -> None:
    """The first page waits for its chunk: one call and 64 pages to protect."""
    plain = scripted("kvm", [(2500, 0)])
    dear = replace(plain, dirty_log=replace(plain.dirty_log, log_call_ns=0, protect_page_ps=10**9))
    cheap = replace(plain, dirty_log=replace(plain.dirty_log, log_call_ns=0, protect_page_ps=0))
    ends = [int(run(one)["iterations"]["end_ns"][0]) for one in (cheap, dear)]
    # The first pass clears the first chunk, protecting 64 pages at a millisecond each.
    assert ends[1] - ends[0] == pytest.approx(64 * MS, abs=MS)


@ENGINES
def test_protection_faults_slow_a_busy_guest(run: Run) -> None:
    """400,000 writes/s for a vCPU that can make 1 s / 21 us of them while each page is fresh."""
    values = {"memory": "256MiB", "workload": "uniform:400000", "bandwidth": 0,
              "observe_for": "1s", "downtime_limit": "1ms",
              "accelerator": "kvm,manual-protect=off"}  # fmt: skip
    alone, many = (make_plan(Scenario.build(vcpus=vcpus, **values)) for vcpus in (1, 32))
    assert alone.dirty_log.executed
    assert not many.dirty_log.executed
    slow = run(replace(alone, dirty_log=replace(alone.dirty_log, first_write_ns=20_000)))
    rounds = slow["rounds"]
    seconds = (rounds["t_ns"][1] - rounds["end_ns"][0]) / 1e9
    assert rounds["new_dirty_pages"][1] == pytest.approx(seconds / 21e-6, rel=0.06)
    assert run(many)["rounds"]["new_dirty_pages"][1] > 3 * rounds["new_dirty_pages"][1]


def play(plan: Plan) -> tuple[dict[str, Any], list[int], list[int]]:
    """Run the specification; count each page's writes, and those that its last copy holds.

    A copy is made no earlier than the clear before it; the guest is brought up to that moment.
    """
    pages = sum(plan.block_pages)
    here, there = [0] * pages, [-1] * pages
    note, clear = DirtyLog.note, ram.clear_before_send

    def counted(log: DirtyLog, page: int) -> bool:
        here[page] += 1
        return note(log, page)

    def copied(world: World, block: int, page: int) -> None:
        clear(world, block, page)
        guest.advance(world)
        there[page] = here[page]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DirtyLog, "note", counted)
        patch.setattr(ram, "clear_before_send", copied)
        return oracle.run(plan), here, there


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_the_destination_has_every_write(plan: Plan) -> None:
    """In every mode: what was written after a page's last copy was dirty at the end."""
    assume(plan.snapshot is None)  # it keeps no log: what is written later does not belong to it
    recording, here, there = play(plan)
    precopy = not len(rows(recording, "postcopy_start"))
    if recording["counters"]["status"] == "completed" and precopy:
        starts = np.cumsum((0, *plan.block_pages))
        for index in set(range(len(plan.block_pages))) - set(plan.ignored_blocks):
            block = slice(starts[index], starts[index + 1])
            assert there[block] == here[block]
    # To look at each page, not only at syncs and clears, changes nothing.
    assert_equal_recordings(recording, oracle.run(plan))
