"""``migkit tap``: what people type and read."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from migkit.cli import main
from stream import recorded
from stream.composed import HEADER, PAGE, normal, part, start
from tap.wire import LIMIT_S, Destination, connected_unix, received, send, until


def source(path: Path, data: bytes) -> threading.Thread:
    """Send a stream to a tap as soon as it listens."""

    def run() -> None:
        with connected_unix(path) as made:
            send(made, data)
            received(made)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_migration_is_passed_on_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = recorded.named("tcp")[0]
    with Destination() as destination:
        thread = source(tmp_path / "tap", recorded.main(name))
        code = main(
            [
                *("tap", f"unix:{tmp_path}/tap", destination.address),
                *("--json", str(tmp_path / "tap.json"), "--frames", str(tmp_path / "frames")),
                *("--record", str(tmp_path / "record"), "--format", "csv"),
            ]
        )
        thread.join(LIMIT_S)
    out, error = capsys.readouterr()
    assert code == 0
    assert error.startswith(f"migkit: listening at unix:{tmp_path}/tap, passing on to tcp:127")
    assert out.startswith(f"complete: {len(recorded.main(name))} B there, 0 B back")
    assert "save_complete" in out
    told = json.loads((tmp_path / "tap.json").read_text())
    counters = recorded.stream(name).counters
    assert told["qemu_counts"]["normal_pages"] == counters["normal"]
    assert told["pages_in_complete"] == recorded.stream(name).save_complete_pages
    sections = pd.read_csv(tmp_path / "frames" / "sections.csv", skiprows=1)
    assert len(sections) == len(recorded.stream(name).records)
    assert main(["stream", "show", str(tmp_path / "record" / "channel-0-to-destination")]) == 0


def test_a_stream_that_broke_off_is_the_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Destination() as destination:
        source(tmp_path / "tap", HEADER + start({"ram": 8 * PAGE}) + part(normal(1, "ram")))
        words = ["tap", f"unix:{tmp_path}/tap", destination.address, "--wait", "50ms", "--json"]
        assert main(words) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "broken"
    assert told["qemu_counts"]["normal_pages"] == 1


def test_a_recording_ends_at_its_limit_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = recorded.named("tcp")[0]
    with Destination() as destination:
        source(tmp_path / "tap", recorded.main(name))
        words = ["tap", f"unix:{tmp_path}/tap", destination.address]
        assert main([*words, "--record", str(tmp_path / "r"), "--record-limit", "100kB"]) == 0
    assert "recording ended" in capsys.readouterr().err
    assert (tmp_path / "r" / "channel-0-to-destination").stat().st_size <= 100_000


def test_an_interrupt_ends_with_what_was_counted(tmp_path: Path) -> None:
    words = ["tap", f"unix:{tmp_path}/tap"]
    with (
        Destination() as destination,
        subprocess.Popen(
            [sys.executable, "-m", "migkit", *words, destination.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        with connected_unix(tmp_path / "tap") as made:
            made.sendall(HEADER + start({"ram": 8 * PAGE}) + part(normal(1, "ram")))
            assert until(lambda: sum(map(len, destination.received)) > PAGE)
            os.kill(process.pid, signal.SIGINT)
            out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert out.startswith("broken: ")
    assert "normal             1" in out
    assert "Traceback" not in error
    assert not (tmp_path / "tap").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "rate 0 · allowed above 0 B/s"),
        (["--rate", "many"], "rate 'many'"),
        (["--cut", "later"], "cut 'later' · allowed save_complete, postcopy:PAGES"),
        (["--latency", "3"], "a unit is missing"),
        (["--json", "missing/f.json"], "no folder missing"),
        (["--frames", "pyproject.toml"], "--frames pyproject.toml · is a file"),
        (["--record", "pyproject.toml"], "record pyproject.toml · is a file"),
        (["--wait", "-1s"], "wait"),
        (["--loss", "80%"], "allowed 0..50 %"),
        (["--jitter", "2"], "a unit is missing"),
        (["--link", "windows=1MiB"], "did you mean window"),
        (["--profile", "1s"], "not a step"),
        (["--outage", "1s"], "allowed BEGIN+LENGTH"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.chdir(request.config.rootpath)
    assert main(["tap", "tcp:127.0.0.1:0", "tcp:127.0.0.1:1", *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("address", ["exec:cat", "file:memory.mig"])
def test_a_tap_stands_between_sockets(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tap", "tcp:127.0.0.1:0", address]) == 2
    assert "allowed tcp:HOST:PORT, unix:PATH" in capsys.readouterr().err
