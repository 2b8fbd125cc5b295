"""Frames derived from trace logs, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import datasets, schema
from migkit.results.sources import LogSource
from migkit.scenario.iterables import IterableHandler
from migkit.trace import read_log
from results.runs import PRECOPY, at, column, logged, simulated

MS = 1_000_000


def test_rounds_of_a_precopy_migration(tmp_path):
    rounds = logged(tmp_path, *PRECOPY).rounds
    assert column(rounds, "t_ns") == [2 * MS, 1101 * MS, 1201 * MS, 1205 * MS]
    assert column(rounds, "end_ns") == [3 * MS, 1103 * MS, 1202 * MS, 1206 * MS]
    assert column(rounds, "reason") == ["setup", "exact", "exact", "final"]
    assert column(rounds, "period_dirty_pages") == [0, 70, 80, 83]
    # The second sync ends 1101 ms after the period began and closes it, so 80 are all new.
    assert column(rounds, "new_dirty_pages") == [0, 70, 80, 3]
    assert column(rounds, "remaining_pages") == [100, 90, 10, 13]
    assert column(rounds, "threshold_size_bytes") == [0, 90000, 90000, 90000]
    assert column(rounds, "cpu_throttle_percentage") == [0, 20, 20, 20]
    assert rounds["transferred_bytes"].isna().all()


def test_passes_of_a_precopy_migration(tmp_path):
    passes = logged(tmp_path, *PRECOPY).iterations
    assert column(passes, "t_ns") == [5 * MS, 1100 * MS, 1200 * MS]
    assert column(passes, "end_ns") == [9 * MS, 1109 * MS, 1215 * MS]
    assert column(passes, "state") == ["active"] * 3
    assert column(passes, "in_postcopy") == [False] * 3
    assert column(passes, "pending_estimate_bytes") == [409600, 81920, 0]
    assert column(passes, "pending_exact_bytes") == [None, 368640, 40960]
    assert column(passes, "threshold_size_bytes") == [0, 90000, 90000]
    assert column(passes, "decision") == ["iterate", "iterate", "complete"]


def test_windows_and_the_rest_of_a_log(tmp_path):
    migration = logged(tmp_path, *PRECOPY)
    assert migration.windows.iloc[0].tolist() == [105 * MS, 300000, 100, 3000, 0, 90000]
    assert migration.ram_save_complete().to_numpy().tolist() == [
        [1205 * MS, 10, 0],
        [1209 * MS, 0, 1],
    ]
    assert migration.kind == "recorded"
    assert migration.outcome == "completed"
    assert migration.destination_state == "unknown"
    assert migration.summary == {"status": "completed"}
    assert len(migration.faults) == 0


def test_a_bare_log_tells_no_times_and_no_differences(tmp_path):
    bare = [line.split(":", 1)[1] for line in PRECOPY]
    migration = logged(tmp_path, *bare)
    rounds = migration.rounds
    assert rounds["t_ns"].isna().all()
    assert column(rounds, "new_dirty_pages") == [0, None, None, None]
    assert column(rounds, "period_dirty_pages") == [0, 70, 80, 83]
    assert column(rounds, "reason") == ["setup", "exact", "exact", "final"]
    assert column(migration.iterations, "decision") == ["iterate", "iterate", "complete"]


def test_a_log_that_begins_late_does_not_know_its_threshold(tmp_path):
    migration = logged(tmp_path, PRECOPY[6], PRECOPY[9], PRECOPY[10])
    assert column(migration.iterations, "threshold_size_bytes") == [None, 90000]
    assert column(migration.iterations, "state") == [None, None]
    assert column(migration.iterations, "in_postcopy") == [None, None]
    assert migration.outcome == "unknown"


def test_a_period_that_found_less_than_the_one_before(tmp_path):
    sync = "migration_bitmap_sync_"
    lines = [
        at(t, text)
        for start, pages in ((0, 50), (1500, 9), (1600, 12), (2700, 15), (2800, 15))
        for t, text in ((start, sync + "start "), (start + 1, sync + f"end dirty_pages {pages}"))
    ]
    rounds = logged(tmp_path, *lines).rounds
    # 0 begins a period; 1501 closes it (so 9 there was counted within it: it fell, all are new);
    # 1601 is new; 2701 closes (3 more); 2801 begins again.
    assert column(rounds, "new_dirty_pages") == [50, 9, 12, 3, 15]


def test_remaining_pages_are_unknown_beside_another_iterable(tmp_path):
    lines = [*PRECOPY[:7], at(5, "savevm_section_start dirty-bitmap, section_id 2"), *PRECOPY[7:]]
    assert logged(tmp_path, *lines).rounds["remaining_pages"].isna().all()


def test_a_starved_iterable_is_seen_when_it_writes_at_last():
    starved = IterableHandler(name="vdisk", initial_bytes=1 << 20, chunk_bytes=65536)
    run = simulated(workload="uniform:3000", memory="32MiB", iterables=(starved,))
    assert LogSource(run.source.logs).frame("rounds")["remaining_pages"].isna().all()
    assert run.rounds["remaining_pages"].notna().all()


def test_faults_join_both_sides(tmp_path):
    source = logged(
        tmp_path,
        at(0, "migrate_set_state new state setup"),
        at(12, "migrate_handle_rp_req_pages in pc.ram at 0x3000 len 0x1000"),
        at(12.1, "ram_save_queue_pages pc.ram: start: 0x3000 len: 0x1000"),
        at(12.5, "get_queued_page pc.ram/0x3000 page_abs=0x3"),
        at(14, "migrate_handle_rp_req_pages in (null) at 0x5000 len 0x1000"),
        at(14.1, "ram_save_queue_pages pc.ram: start: 0x5000 len: 0x1000"),
        at(14.2, "get_queued_page_not_dirty pc.ram/0x5000 page_abs=0x5"),
        at(15, "migrate_handle_rp_req_pages in pc.bios at 0x5000 len 0x1000"),
        at(15.1, "ram_save_queue_pages pc.bios: start: 0x5000 len: 0x1000"),
    )
    request = "postcopy_ram_fault_thread_request Request for HVA="
    served = "time: 1, affected_cpus: 1, affected_non_cpus: 0"
    dest_log = logged(
        tmp_path,
        at(0, "migrate_set_state new state active"),
        at(10, request + "0x7f003000 rb=pc.ram offset=0x3000 pid=4"),
        at(11, request + "0x7f005000 rb=pc.ram offset=0x5000 pid=4"),
        at(13, f"postcopy_blocktime_end addr: 0x7f003000, {served}"),
        at(19, f"postcopy_blocktime_end addr: 0x7f005000, {served}"),
        side="dest",
    )
    faults = LogSource({**source.source.logs, **dest_log.source.logs}).frame("faults")
    assert column(faults, "block") == ["pc.ram", "pc.ram", "pc.bios"]
    assert column(faults, "page") == [3, 5, 5]
    assert column(faults, "fault_ns") == [10 * MS, 11 * MS, None]
    assert column(faults, "request_ns") == [12 * MS, 14 * MS, 15 * MS]
    assert column(faults, "sent_ns") == [12_500_000, None, None]
    assert column(faults, "placed_ns") == [13 * MS, 19 * MS, None]
    assert column(source.faults, "request_ns") == [12 * MS, 14 * MS, 15 * MS]
    assert column(dest_log.faults, "placed_ns") == [13 * MS, 19 * MS]


FROM_SIMULATION = st.fixed_dictionaries(
    {
        "workload": st.sampled_from(["idle", "uniform:1500", "uniform:20000", "sequential:9000"]),
        "rule": st.sampled_from(["before", "after"]),
    },
    optional={
        "postcopy_at": st.sampled_from(["0.3s", "0.9s"]),
        "bandwidth": st.sampled_from(["8MiB/s", "40MiB/s"]),
    },
)


@given(FROM_SIMULATION)
def test_a_simulations_events_tell_what_its_recording_tells(values):
    run = simulated(**values)
    derived = LogSource(run.source.logs)
    for name in ("iterations", "rounds", "windows"):
        recorded, told = getattr(run, name), derived.frame(name)
        assert len(told) == len(recorded)
        assert told.dtypes.tolist() == recorded.dtypes.tolist()
        for label in told:
            known = told[label].notna()
            assert column(told[known], label) == column(recorded[known], label), (name, label)
    assert derived.frame("rounds")["new_dirty_pages"].notna().all()


@given(FROM_SIMULATION)
def test_every_page_asked_for_is_in_the_events(values):
    run = simulated(**values)
    told = LogSource(run.source.logs).frame("faults")
    names = ["block", "page", "request_ns", "sent_ns"]
    rows = [tuple(row) for row in told[names].astype("object").fillna(-1).to_numpy()]
    asked = run.faults.dropna(subset=["request_ns"])
    assert {tuple(r) for r in asked[names].astype("object").fillna(-1).to_numpy()} <= set(rows)


CAPTURES = [folder.name for folder in datasets.capture_folders()]


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_has_the_columns_and_dtypes_of_a_simulation(name):
    capture, run = datasets.load_capture(name), simulated(workload="idle")
    for frame, columns in schema.FRAMES.items():
        recorded = getattr(capture, frame)
        assert recorded.dtypes.to_dict() == getattr(run, frame).dtypes.to_dict()
        assert recorded.columns.tolist() == [item.name for item in columns]


@pytest.mark.parametrize("name", [name for name in CAPTURES if not name.startswith("v")])
def test_rounds_of_a_capture_are_the_syncs_qemu_counted(name):
    capture = datasets.load_capture(name)
    counted = capture.summary.get("ram", {}).get("dirty-sync-count", len(capture.rounds))
    assert len(capture.rounds) == counted
    assert capture.rounds["reason"].iloc[0] == "setup"
    assert capture.rounds["remaining_pages"].notna().all()


@pytest.mark.parametrize("name", CAPTURES)
def test_windows_of_a_capture_make_the_thresholds_of_its_passes(name):
    capture = datasets.load_capture(name)
    passes, windows = capture.iterations, capture.windows
    place = np.searchsorted(windows["t_ns"], passes["t_ns"], side="right") - 1
    sizes = np.append(windows["threshold_size_bytes"].to_numpy(dtype="int64"), 0)
    assert passes["threshold_size_bytes"].tolist() == sizes[place].tolist()


def test_the_commits_pattern_in_a_recorded_pair():
    before = datasets.load_capture("postcopy-hot-before").ram_save_complete()
    after = datasets.load_capture("postcopy-hot-after").ram_save_complete()
    assert before["dirty"].tolist() == [73625, 0]
    assert after["dirty"].tolist() == [0, 0]
    assert before["done"].tolist() == after["done"].tolist() == [0, 1]


def test_passes_without_pending_traces_come_from_sections():
    capture = datasets.load_capture("v11.1-precopy-hot")
    passes = capture.iterations
    assert passes["pending_estimate_bytes"].isna().all()
    assert passes["decision"].tolist()[-1] == "complete"
    assert passes["pending_exact_bytes"].tolist()[-1] == 18014208
    sections = capture.events_of("savevm_section_start")
    ram = (sections["id"] == "ram").sum()
    assert len(passes) == ram  # the completing section belongs to the completing pass
    assert column(capture.rounds, "reason") == ["setup", "exact", "exact", "final"]


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("side", ["source", "dest"])
def test_a_captures_log_is_written_back_line_by_line(name, side, tmp_path):
    import gzip

    folder = next(f for f in datasets.capture_folders() if f.name == name)
    path = folder / f"{side}.trace.log.gz"
    with gzip.open(path, "rt") as file:
        assert datasets.load_capture(name).to_trace_log(side=side) == file.read()
    assert read_log(path, side).skipped_lines == 0


def test_sections_pair_starts_and_ends_within_their_pass(tmp_path):
    sections = logged(
        tmp_path,
        at(0, "migrate_set_state new state setup"),
        at(1, "savevm_section_start ram, section_id 2"),
        at(2, "savevm_section_end ram, section_id 2 -> 0"),
        at(3, "migrate_pending_estimate estimate pending size 4096 (pre = 4096 post=0)"),
        at(4, "savevm_section_start ram, section_id 2"),
        at(6, "savevm_section_end ram, section_id 2 -> 1"),
        at(7, "savevm_section_start timer, section_id 0"),
    ).sections
    assert column(sections, "handler") == ["ram", "ram", "timer"]
    assert column(sections, "t_ns") == [1 * MS, 4 * MS, 7 * MS]
    assert column(sections, "end_ns") == [2 * MS, 6 * MS, None]  # the log stops inside the last
    assert column(sections, "pass") == [None, 0, 0]
    assert column(sections, "bytes") == [None, None, None]


def test_sections_of_a_simulation_with_ram_alone_are_its_passes():
    run = simulated()
    sections = run.sections
    ram = sections[sections["handler"] == "ram"]
    assert sections["handler"].iloc[-1] == "globalstate"
    assert len(ram) == len(run.events_of("savevm_section_start"))
    assert (ram["end_ns"] >= ram["t_ns"]).all()
