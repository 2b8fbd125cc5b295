"""Captures: what they give, and what is said of folders that are none."""

import gzip
import json
import shutil

import pytest

from migkit import datasets
from migkit.capture import LOG_FILES, read_capture, read_trace_log
from migkit.errors import CaptureError

FOLDERS = {folder.name: folder for folder in datasets.capture_folders()}


@pytest.fixture
def copied(tmp_path):
    def copy(name="idle"):
        return shutil.copytree(FOLDERS[name], tmp_path / name)

    return copy


def test_a_capture_gives_its_results_summary():
    capture = read_capture(FOLDERS["precopy-hot-before"])
    result = json.loads((FOLDERS["precopy-hot-before"] / "result.json").read_text())
    assert capture.summary == result["query_migrate_source"]
    assert capture.kind == "recorded"
    assert capture.name == "precopy-hot-before"
    assert (capture.outcome, capture.destination_state) == ("completed", "completed")
    assert capture.counters["precopy_bytes"] == 423378127
    assert capture.scenario.name == "precopy-hot-before"
    assert set(capture.provenance["files"]) == {
        "scenario.json",
        "result.json",
        *LOG_FILES.values(),
    }


def test_recordings_are_this_one_and_its_repeats():
    recordings = read_capture(FOLDERS["precopy-hot-before"]).recordings
    assert [item["total_time_ms"] for item in recordings] == [6218, 6221, 6214, 6220]
    assert {frozenset(item) for item in recordings} == {frozenset(recordings[1])}
    assert recordings[0]["ram_save_complete"][0] == {"dirty": 4408, "done": 0}
    assert recordings[0]["transferred"] == 441582039
    assert read_capture(FOLDERS["postcopy-hot-before"]).recordings[0]["timeline_issued_s"] == [
        2.0134
    ]


def test_polls_are_a_frame_of_flattened_replies():
    polls = read_capture(FOLDERS["precopy-hot-before"]).polls
    assert polls["t_s"].iloc[:2].tolist() == [0.0021, 0.0531 - 0.0006]
    assert polls["status"].iloc[:2].tolist() == ["setup", "active"]
    assert polls["ram.remaining"].dropna().iloc[0] == 526540800
    assert polls["ram.precopy-bytes"].dropna().is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("cut-in-complete-before", ("failed", "postcopy-paused")),
        ("cut-same-moment-after", ("completed", "completed")),
    ],
)
def test_cut_captures_have_a_nested_outcome_and_no_polls(name, states):
    capture = read_capture(FOLDERS[name])
    assert (capture.outcome, capture.destination_state) == states
    assert capture.result["outcome"]["final"]["source"] == states[0]
    assert len(capture.polls) == 0
    assert len(capture.recordings) == 1


@pytest.mark.parametrize("name", [name for name in FOLDERS if name.startswith("v")])
def test_captures_of_other_versions(name):
    capture = read_capture(FOLDERS[name])
    assert capture.outcome == "completed"
    bandwidth = capture.windows["bandwidth_bytes_per_ms"]
    assert bandwidth.between(60_000, 72_000).sum() >= len(bandwidth) - 3
    assert (capture.windows["switchover_bandwidth_bytes_per_ms"] == 0).all()
    assert (len(capture.faults) > 0) == ("postcopy" in name)


def test_both_sides_share_one_clock():
    faults = read_capture(FOLDERS["postcopy-hot-before"]).faults
    assert (faults["request_ns"] > faults["fault_ns"]).all()
    assert (faults["placed_ns"] > faults["fault_ns"]).all()
    assert faults["sent_ns"].isna().sum() == 7
    assert len(faults) == 46


@pytest.mark.parametrize("name", ["scenario.json", "result.json", *LOG_FILES.values()])
def test_a_missing_file_is_named(copied, name):
    folder = copied()
    (folder / name).unlink()
    with pytest.raises(CaptureError, match=f"missing: {name}") as caught:
        read_capture(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*LOG_FILES.values(), "polls.jsonl.gz"])
def test_a_cut_off_file_is_named(copied, name):
    folder = copied()
    path = folder / name
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(CaptureError, match="cut off or damaged") as caught:
        _ = read_capture(folder).polls
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"outcome": "completed"}', '{"final": 3}']
)
def test_a_damaged_result_gets_one_line(copied, content):
    folder = copied()
    (folder / "result.json").write_text(content)
    with pytest.raises(CaptureError) as caught:
        read_capture(folder)
    assert "result.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_damaged_repeats_get_one_line(copied, content):
    folder = copied()
    (folder / "repeats.json").write_text(content)
    with pytest.raises(CaptureError, match=r"repeats\.json"):
        _ = read_capture(folder).recordings


@pytest.mark.parametrize("line", ["{", '{"t": 1}', "7"])
def test_damaged_polls_get_one_line(copied, line):
    folder = copied()
    with gzip.open(folder / "polls.jsonl.gz", "wt") as file:
        file.write(line + "\n")
    with pytest.raises(CaptureError, match=r"polls\.jsonl\.gz"):
        _ = read_capture(folder).polls


def test_what_is_no_capture(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CaptureError, match="no such folder"):
        read_capture(tmp_path / "absent")
    with pytest.raises(CaptureError, match="it is a file"):
        read_capture(tmp_path / "file")
    with pytest.raises(CaptureError, match=r"missing: scenario\.json, result\.json"):
        read_capture(tmp_path)


def test_one_log_alone_notes_what_it_left_out(tmp_path):
    path = tmp_path / "host7.log"
    path.write_text("qemu: warning\n1@5.0:x\n1@5.000000:migrate_set_state new state setup\n1@5.1")
    migration = read_trace_log(path)
    assert migration.name == "host7"
    assert migration.provenance["torn_last_line"] == "1@5.1"
    assert migration.provenance["skipped_lines"] == 2
    assert migration.summary == {"status": "setup"}
