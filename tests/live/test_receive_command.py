"""``migkit receive``: what it tells, keeps and refuses."""

import json
import threading
from pathlib import Path

import pytest

from live.receive_peer import Source
from migkit import datasets
from migkit.cli import main
from migkit.live import Receiver, read_saved
from stream import recorded

KEYS = {"outcome", "qemu_counts", "pages_in_complete", "rounds", "requests",
        "request_latency_us", "bytes_per_s"}  # fmt: skip


def command_of(name: str) -> str:
    [path] = datasets.stream_folder(name).glob("stream.xz")
    return f"exec:xz -dc {path}"


def test_a_migration_is_told_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["receive", command_of("11.1-file"), "--save", f"{tmp_path}/guest"]
    assert main([*words, "--json", f"{tmp_path}/told.json"]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert set(told) >= KEYS
    assert set(told["request_latency_us"]) == {"p50", "p90", "p99", "max"}
    ram = recorded.expected("11.1-file")["query_migrate"]["ram"]
    assert told["qemu_counts"]["normal_pages"] == ram["normal"]
    assert told["qemu_counts"]["precopy_bytes"] == ram["precopy-bytes"]
    assert told["bytes_per_s"] > 0
    assert "pc-i440fx-11.1: completed" in capsys.readouterr().out
    state, _ = read_saved(tmp_path / "guest")
    assert state.outcome == "completed"
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "completed"


def test_a_stream_that_breaks_off_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stream"
    path.write_bytes(recorded.main("10.2-file")[:50_000])
    assert main(["receive", f"exec:cat {path}"]) == 1
    assert "failed, offset" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tpc:host:1"], "did you mean tcp"),
        (["file:/nowhere/stream"], "give a file that is there"),
        (["tcp::0", "--faults", "storm:4"], "uniform:RATE"),
        (["tcp::0", "--wait", "3"], "wait"),
        (["tcp::0", "--memory-limit", "much"], "memory-limit"),
        (["tcp::0", "--tls-dir", "/nowhere"], "no such directory"),
        (["tcp::0", "--wait", "10ms"], "none came in 0.01 s"),
    ],
)
def test_wrong_input_exits_with_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["receive", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_with_other_things_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letters").write_text("mine")
    assert main(["receive", command_of("11.1-file"), "--save", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err


def test_a_place_that_others_reach_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["receive", "tcp:0.0.0.0:0", "--wait", "10ms"]) == 2
    assert "migkit: listening on tcp:0.0.0.0:" in capsys.readouterr().err


def test_progress_is_told_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.live.receiving._TICK_S", 0.01)
    told = []
    seen = threading.Event()

    def progress(where: object) -> None:
        told.append(where)
        seen.set()

    receiver = Receiver("tcp::0", wait_s=60.0, recover_s=0, progress=progress)
    source = Source(receiver)
    whole = recorded.main("10.2-tcp")
    channel = source.send(whole[:600_000])
    running = threading.Thread(target=receiver.run, daemon=True)
    running.start()
    assert seen.wait(60)
    while not told[-1].pages:
        seen.clear()
        assert seen.wait(60)
    channel.write(whole[600_000:])
    running.join(60)
    source.join()
    assert told[-1].state in {"active", "completed"}
    assert told[-1].bytes >= 600_000
