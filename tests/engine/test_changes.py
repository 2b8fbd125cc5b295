"""Parameters that change in flight, by hand: the moment at which QEMU reads each of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES
from tests.engine.test_dirty_limit import limited
from tests.engine.test_golden_bytes import ENGINES, Run, bare_machine
from tests.engine.test_multifd import bare, syncs

MS = 1_000_000
SECOND = 1_000 * MS


def changes(at_s: float, **values: Any) -> dict[str, Any]:
    """One ``migrate-set-parameters`` with QEMU's names, underscores for hyphens."""
    arguments = {name.replace("_", "-"): value for name, value in values.items()}
    return {"command": "migrate-set-parameters", "at_s": at_s, "arguments": arguments}


def rows(recording: dict[str, Any], event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


def throttled(*timeline: dict[str, Any], **values: Any) -> Plan:
    """A guest that dirties more than goes out, for as long as it takes."""
    written = {
        "memory": "32MiB",
        "bandwidth": "16MiB/s",
        "workload": "uniform:8000",
        "downtime_limit": "1ms",
        "capabilities": ["auto-converge"],
        "observe_for": "20s",
        "nonzero_percent": 100,
    }
    return make_plan(Scenario.build(**{**written, **values}, timeline=timeline))


def steps(recording: dict[str, Any]) -> list[int]:
    """Percentages asked for, in order."""
    asked: list[int] = rows(recording, "cpu_throttle_set")[:, 2].tolist()
    return asked


def between(run: Run, plan: Plan, event: str, index: int) -> float:
    """Return a moment between two recordings of an event, in seconds."""
    times = rows(run(plan), event)[:, 0]
    return round((times[index] + times[index + 1]) / 2e9, 6)


@ENGINES
def test_an_increment_counts_from_the_next_step_on(run: Run) -> None:
    """20, 30, then 25 more; then 5 more: what stands is not touched."""
    plan = throttled()
    assert steps(run(plan))[:4] == [20, 30, 40, 50]
    wide = changes(between(run, plan, "cpu_throttle_set", 1), cpu_throttle_increment=25)
    plan = throttled(wide)
    narrow = changes(between(run, plan, "cpu_throttle_set", 2), cpu_throttle_increment=5)
    recording = run(throttled(wide, narrow))
    assert steps(recording)[:5] == [20, 30, 55, 60, 65]
    percentages = recording["rounds"]["cpu_throttle_percentage"]
    assert set(percentages.tolist()) >= {0, 20, 30, 55, 60}
    assert 45 not in percentages


@ENGINES
def test_a_lower_maximum_slows_the_guest_down_less_from_the_next_step_on(run: Run) -> None:
    """At 40 % a maximum of 25 is set: min(40 + 10, 25), and there it stays."""
    at_s = between(run, throttled(), "cpu_throttle_set", 2)
    recording = run(throttled(changes(at_s, max_cpu_throttle=25)))
    assert steps(recording)[:5] == [20, 30, 40, 25, 25]
    later = recording["rounds"]["t_ns"] > at_s * 1e9
    assert set(recording["rounds"]["cpu_throttle_percentage"][later].tolist()) == {40, 25}


@ENGINES
def test_the_first_step_is_the_initial_one_of_its_time(run: Run) -> None:
    """Changed before the first step it is that; after it, it is nothing."""
    assert steps(run(throttled(changes(0.5, cpu_throttle_initial=60))))[:2] == [60, 70]
    at_s = between(run, throttled(), "cpu_throttle_set", 0)
    assert steps(run(throttled(changes(at_s, cpu_throttle_initial=60))))[:3] == [20, 30, 40]


@ENGINES
def test_tailslow_shortens_the_next_step(run: Run) -> None:
    """80 % are left: 80 - trunc(80 * threshold / dirty), by the period's own numbers."""
    at_s = between(run, throttled(), "cpu_throttle_set", 0)
    values = {"cpu_throttle_tailslow": True, "throttle_trigger_threshold": 100}
    recording = run(throttled(changes(at_s, **values, cpu_throttle_increment=99)))
    at = rows(recording, "cpu_throttle_set")[1, 0]
    rounds = recording["rounds"]  # each lasts over a second, and is a period
    judged = int(np.flatnonzero(rounds["end_ns"] >= at)[0])
    sent = int(np.diff(rounds["transferred_bytes"])[judged - 1])
    dirty = int(rounds["period_dirty_pages"][judged]) * 4096
    assert steps(recording)[1] == 20 + 80 - int(80 * (sent * 1.0 / dirty))


@ENGINES
def test_a_period_is_bad_by_the_trigger_of_its_end(run: Run) -> None:
    """12 MB/s dirtied beside 17 sent: over 50 %, not over 100. It throttles at 5.9 and 8.4 s."""
    guest = {"workload": "uniform:3000", "memory": "64MiB"}
    assert steps(run(throttled(**guest))) == [20, 30]
    high, low = 100, 50
    for at_s, left in ((0.5, []), (7.0, [20]), (9.0, [20, 30])):
        plan = throttled(changes(at_s, throttle_trigger_threshold=high), **guest)
        assert steps(run(plan)) == left
    plan = throttled(changes(0.5, throttle_trigger_threshold=low), **guest,
                     parameters={"throttle-trigger-threshold": high})  # fmt: skip
    assert steps(run(plan)) == [20, 30]


def zeros(*timeline: dict[str, Any], **values: Any) -> Plan:
    """16 MiB of zeros; nothing takes time but a look at a page, 1 us, and a second to send it."""
    plan = make_plan(Scenario.build(memory="64MiB", timeline=timeline, **values))
    costs = dict.fromkeys(
        ("section_ns", "pass_ns", "write_ns", "normal_page_ns", "sparse_page_ns",
         "destination_page_ns", "destination_zero_page_ns", "first_touch_page_ns"), 0,
    )  # fmt: skip
    host = dataclasses.replace(plan.host, zero_page_ns=1_000, **costs)
    changed = bare_machine(
        timeline=plan.timeline, nonzero_extents=(), block_pages=(4096,), host=host,
        max_bandwidth_bytes_per_s=0, link_bandwidth_bytes_per_s=0, multifd=plan.multifd,
    )  # fmt: skip
    return dataclasses.replace(changed, zero_page_detection=plan.zero_page_detection)


@ENGINES
def test_zero_pages_go_whole_from_the_next_page_on(run: Run) -> None:
    """Nobody looks any more 1.5005 ms after the first page: page 1501 is the first of 4096 B.

    No write comes between the 1501 records of 9 bytes: each page sees it.
    """
    began = int(rows(run(zeros()), "savevm_section_start")[0, 0])
    recording = run(zeros(changes((began + 1_500_500) / 1e9, zero_page_detection="none")))
    counters = recording["counters"]
    assert (counters["duplicate_pages"], counters["normal_pages"]) == (1501, 4096 - 1501)
    names = 1 + len("m0")
    ram = counters["precopy_bytes"] + counters["downtime_bytes"]
    records = 1501 * 9 + (4096 - 1501) * 4104
    assert (ram - records - names) % 8 == 0
    assert 0 < ram - records - names <= 8 * len(recording["iterations"]["t_ns"])


@ENGINES
def test_zero_pages_are_found_from_the_next_page_on(run: Run) -> None:
    """And back: whole pages cost nothing here, so all of the first pass have gone by then."""
    slow = {"parameters": {"zero-page-detection": "none"}}
    plan = dataclasses.replace(zeros(changes(0.35, zero_page_detection="legacy"), **slow),
                               max_bandwidth_bytes_per_s=10 << 20)  # fmt: skip
    recording = run(plan)
    counters, windows = recording["counters"], recording["windows"]
    sent = int(windows["transferred_bytes"][:3].sum())
    assert counters["normal_pages"] + counters["duplicate_pages"] == 4096
    assert sent / 4104 < counters["normal_pages"] < sent / 4104 * 4 / 3 + 32


@ENGINES
@pytest.mark.parametrize("to", ["none", "legacy"])
def test_a_channel_reads_who_looks_when_it_gets_its_batch(run: Run, to: str) -> None:
    """Whole packets of zeros before; after, whole pages, or records of the main stream."""
    start = int(rows(run(zeros(capabilities=["multifd"])), "savevm_section_start")[0, 0])
    timeline = [changes((start + MS) / 1e9, zero_page_detection=to)]
    recording = run(zeros(*timeline, capabilities=["multifd"]))
    counters = recording["counters"]
    normal, found = counters["normal_pages"], counters["duplicate_pages"]
    assert normal + found == 4096
    headers = 2 * 64 + 1344 * syncs(recording)[-1]
    assert counters["multifd_bytes"] == headers + 4096 * normal
    main = counters["precopy_bytes"] + counters["downtime_bytes"]
    if to == "none":
        assert found % 128 == 0
        assert 0 < found < 4096
        assert main % 8 == 0
    else:  # the batch in hand goes whole, and the page that came when it was full
        assert 128 <= normal <= 129
        records = (main - 1 - len("m0") - 8) // 9  # and the mark of the first pass
        assert (found - records) % 128 == 0
        assert records > 1000


@ENGINES
@pytest.mark.parametrize(("how", "finds"), [("multifd", False), ("legacy", True)])
def test_in_postcopy_nobody_but_the_migration_thread_could_look(
    run: Run, how: str, finds: bool
) -> None:
    """Channels carry nothing then: with their detection all pages go whole, zeros too."""
    scenario = Scenario.build(
        memory="64MiB", capabilities=["multifd", "postcopy-ram"], postcopy_at="0s",
        parameters={"zero-page-detection": how}, bandwidth="1MiB/s",
    )  # fmt: skip
    recording = run(dataclasses.replace(make_plan(scenario), nonzero_extents=()))
    counters = recording["counters"]
    assert counters["status"] == "completed"
    assert (counters["duplicate_pages"] > 10_000) is finds
    assert counters["postcopy_bytes"] > (0 if finds else 10_000 * 4104)


def limit_changed(at_s: float, observe_for: str = "16s", **values: Any) -> Plan:
    """The guest of the dirty limit's own tests, with a command."""
    return limited(timeline=[changes(at_s, **values)], observe_for=observe_for)


@ENGINES
def test_another_dirty_limit_holds_from_the_next_trigger_on(run: Run) -> None:
    """The quota is set at a sync that throttles, not when the command comes."""
    engaged = rows(run(limited()), "migration_dirty_limit_guest")[0, 0]
    at_s = round(engaged / 1e9 + 1.2, 3)
    recording = run(limit_changed(at_s, "18s", vcpu_dirty_limit=60))
    set_ = rows(recording, "migration_dirty_limit_guest")
    assert set_[:, 2].tolist() == [10, 60]
    assert set_[0, 0] == engaged
    assert set_[1, 0] in recording["rounds"]["end_ns"].tolist()
    assert set_[1, 0] > at_s * 1e9
    adjusted = rows(recording, "dirtylimit_throttle_pct")
    assert adjusted[0, 2:5].tolist() == [0, 87, 1_372_779]
    assert (adjusted[1:, 0] > set_[1, 0]).all()


@ENGINES
def test_another_period_holds_from_the_next_measurement_on(run: Run) -> None:
    """The running one lasts its second; the next, of 200 ms, ends when the vCPU has woken."""
    engaged = rows(run(limited()), "migration_dirty_limit_guest")[0, 0]
    short = {"x_vcpu_dirty_limit_period": 200}
    recording = run(limit_changed(round(engaged / 1e9 + 0.5, 3), **short))
    assert rows(recording, "dirtylimit_throttle_pct")[0, 0] == engaged + SECOND
    recording = run(limit_changed(1.0, **short))
    assert rows(recording, "dirtylimit_throttle_pct")[0, 0] == engaged + 200 * MS


@ENGINES
def test_what_is_settled_at_setup_changes_no_more(run: Run) -> None:
    """Accepted, answered, and without any effect."""
    settled = {
        "multifd_channels": 7, "multifd_compression": "zstd", "multifd_zstd_level": 9,
        "announce_rounds": 0, "tls_hostname": "host", "direct_io": True,
        "x_checkpoint_delay": 1, "block_bitmap_mapping": [],
    }  # fmt: skip
    written = {"memory": "64MiB", "capabilities": ["multifd"], "observe_for": "1s"}
    plain = run(make_plan(Scenario.build(**written)))
    told = run(make_plan(Scenario.build(**written, timeline=[changes(0.01, **settled)])))
    np.testing.assert_array_equal(plain["events"], told["events"])
    assert plain["counters"] == told["counters"]
    assert told["commands"]["reply"].tolist() == [0]


def test_the_bare_machine_of_multifd_looks_for_zero_pages() -> None:
    """The tests above rest on it."""
    assert bare().zero_page_detection == 2
