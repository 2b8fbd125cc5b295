"""What a lab run is asked for, and what it refuses before it starts anything."""

import asyncio
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from migkit.errors import InputError, LabError, MigkitError
from migkit.lab import run
from migkit.lab.scenario_file import read_lab_scenario
from migkit.lab.thread import in_thread
from migkit.scenario import Scenario

CAPTURES = Path(__file__).resolve().parents[2] / "datasets" / "captures"


def test_a_file_or_a_capture_is_read(tmp_path: Path) -> None:
    mine = Scenario.build(memory="64MiB", workload="uniform:100", name="mine")
    # A capture's file has this name too.
    mine.save(tmp_path / "scenario.json")
    assert read_lab_scenario(tmp_path / "scenario.json") == mine
    (tmp_path / "other.toml").write_text('memory = "64MiB"\nworkload = "idle"\n')
    assert read_lab_scenario(tmp_path / "other.toml").guest.memory_bytes == 64 << 20
    capture = next(p for p in sorted(CAPTURES.iterdir()) if (p / "scenario.json").is_file())
    name = json.loads((capture / "scenario.json").read_text())["name"]
    assert read_lab_scenario(capture).name == name
    assert read_lab_scenario(capture / "scenario.json").name == name
    with pytest.raises(MigkitError):
        read_lab_scenario(tmp_path / "absent.json")


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that tells a version, and ends at once when it is to run a machine."""
    monkeypatch.setenv("MIGKIT_LAB", str(tmp_path / "none"))
    path = tmp_path / "qemu"
    path.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo QEMU emulator version 11.1.3; exit; fi\n'
        "echo no machine today >&2; exit 1\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"transport": "exec"}, "transport exec"),
        ({"link": {"channels": "1Gbit/s+1Gbit/s"}}, "a tap has one link"),
        ({"runstate": "paused"}, "runstate paused"),
    ],
)
def test_what_a_pair_cannot_do_is_refused(
    values: dict[str, object], said: str, qemu: Path, tmp_path: Path
) -> None:
    scenario = Scenario.build(memory="64MiB", workload="idle", **values)
    with pytest.raises(LabError, match=said):
        run(scenario, tmp_path / "out", qemu=[qemu])
    assert not (tmp_path / "out").exists()


def test_a_qemu_that_does_not_start_is_one_line_and_leaves_nothing(
    qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    scenario = Scenario.build(memory="64MiB", workload="idle")
    with pytest.raises(LabError, match="it ended and said: no machine today"):
        run(scenario, tmp_path / "kept" / "out", qemu=[qemu])
    assert list(scratch.iterdir()) == []
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_moment_that_is_none_is_refused_first(qemu: Path) -> None:
    scenario = Scenario.build(memory="64MiB", workload="idle")
    with pytest.raises(InputError, match="allowed SIDE@MOMENT"):
        run(scenario, qemu=[qemu], kill="dest")


def test_an_interruption_waits_until_everything_has_ended() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            await asyncio.sleep(60)
            ended.append("too late")
        finally:
            await asyncio.sleep(0.1)
            ended.append("orderly")

    with pytest.raises(KeyboardInterrupt):
        in_thread(work)
    assert ended == ["orderly"]


def test_an_error_in_it_is_passed_on() -> None:
    async def work() -> None:
        raise LabError("so")

    with pytest.raises(LabError, match="so"):
        in_thread(work)
