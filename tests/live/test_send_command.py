"""``migkit send``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live.send_peer import POSTCOPY_END, PRECOPY_END, Peer, contents, save_guest
from live.test_send_postcopy import Answers
from migkit.cli import main


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", {"pc.ram": contents(1200, 100)})


def test_it_tells_what_was_sent(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END)
    file = tmp_path / "sent.json"
    words = ["send", str(saved), peer.uri, "--bandwidth", "0", "--json", str(file)]
    assert main([*words, "--out", str(tmp_path / "tables")]) == 0
    peer.join()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "guest.mig: completed"
    assert "normal_pages       1200" in printed
    told = json.loads(file.read_text())
    assert told["outcome"] == "completed"
    counts = told["qemu_counts"]
    assert (counts["normal_pages"], counts["duplicate_pages"]) == (1200, 100)
    assert told["service_latency_us"]["p50"] is None
    assert (tmp_path / "tables" / "source.trace.log").read_text().count("new state completed") == 1


def test_requests_are_counted(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers((1199,)))
    words = ["send", str(saved), peer.uri, "--postcopy-at", "50ms", "--bandwidth", "10MiB/s"]
    assert main([*words, "--parameter", "max-postcopy-bandwidth=4MiB", "--json"]) == 0
    peer.join()
    told = json.loads(capsys.readouterr().out)
    assert told["requests"] == {"asked": 1, "served": 1, "pages": 1}
    assert told["service_latency_us"]["max"] > 0
    assert told["qemu_counts"]["postcopy_bytes"] > 0


def test_a_trace_is_that_of_a_source(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END)
    assert main(["send", str(saved), peer.uri, "--trace", "bare"]) == 0
    peer.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "migrate_set_state new state setup"
    assert "ram_save_complete dirty=0, done=1" in lines


def test_a_failed_migration_is_no_success(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END, shut=1)
    assert main(["send", str(saved), peer.uri]) == 1
    assert capsys.readouterr().out.startswith("guest.mig: failed, destination unix:")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--capability", "x-colo"], "send with x-colo"),
        (["--parameter", "multifd-compression=qpl", "--capability", "multifd"], "qpl"),
        (["--postcopy-at", "soon"], "postcopy-at"),
        (["--rule", "never"], "rule"),
    ],
)
def test_bad_words_are_one_line(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str], words: list[str], wrong: str
) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END)
    assert main(["send", str(saved), peer.uri, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert wrong in line


def test_json_that_is_none_is_one_line(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", str(saved), "{tcp"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "{tcp" in line


def test_a_guest_is_not_written_over_itself(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = saved.read_bytes()
    assert main(["send", str(saved), f"file:{saved}"]) == 2
    assert "it is the same file" in capsys.readouterr().err
    assert saved.read_bytes() == before
