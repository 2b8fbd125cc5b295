"""Whole runs of real pairs: recorded as captures, cut, recovered, interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migkit.cli import main
from migkit.lab import Qemu, run
from migkit.lab.failures import cut_at, recovery_after
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem

TEXT = "uniform:1000,pages=6000,seed=3,write=count"
SMALL = {"memory": "32MiB", "workload": TEXT, "bandwidth": "16MiB/s"}
SLOW = {
    **SMALL,
    "bandwidth": "8MiB/s",
    "postcopy_bandwidth": "8MiB/s",
    # 16 MiB: more is left when postcopy starts, so that the old rule takes the rest at once.
    "downtime_limit": "2s",
    "link_bandwidth": "20MB/s",
    "postcopy_at": "300ms",
}


def test_a_precopy_run_is_a_capture_that_every_part_reads(
    qemu_before: Qemu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = Scenario.build(**SMALL, downtime_limit="100ms", name="small")
    told: list[str] = []
    capture = run(scenario, tmp_path / "small", rule="before", say=told.append)
    assert (capture.outcome, capture.destination_state) == ("completed", "completed")
    assert any("active" in line for line in told)
    ram = capture.summary["ram"]
    assert ram["total"] == 32 * 2**20 + 532_480
    assert ram["normal"] >= 6000
    beats = capture.result["heartbeat"]
    assert [beats[side]["beating"] for side in ("source", "destination")] == [False, True]
    # The guest went on where it stopped: 1 page a millisecond, on both sides together.
    assert beats["destination"]["page_writes"] == beats["destination"]["guest_ms"]
    assert beats["destination"]["guest_ms"] > beats["source"]["guest_ms"]
    assert len(capture.polls) >= 5
    assert capture.scenario.workload.pages == 6000
    assert main(["read", str(tmp_path / "small")]) == 0
    assert main(["compare", str(tmp_path / "small")]) in (0, 1)
    assert "small" in capsys.readouterr().out
    # The first pass finds the pages that the model says there are: all that hold data.
    first = capture.scenario.guest.total_pages
    zero = first - sum(block.nonzero_pages for block in capture.scenario.guest.ram_blocks)
    assert abs(ram["duplicate"] - zero) <= 40


def test_cut_inside_save_complete_the_old_rule_loses_the_migration(qemu_before: Qemu) -> None:
    items = (cut_at("ram_save_complete+150ms"),)
    scenario = Scenario.build(**SLOW, timeline=[*items, *recovery_after(items, "600ms")])
    capture = run(scenario, rule="before")
    assert capture.result["outcome"] == {
        "after_cut": {"source": "failed", "destination": "postcopy-paused"},
        "final": {"source": "failed", "destination": "postcopy-paused"},
    }
    _, cut, recover, resume = capture.result["timeline"]
    assert cut["inside_ram_save_complete"] is True
    assert "error" not in recover
    assert "no paused migration" in resume["error"]
    # Both say that they run the guest, and the source, which gave it away, really does.
    assert capture.result["run_state_source"]["status"] == "running"
    assert capture.result["run_state_destination"]["status"] == "running"
    assert capture.result["heartbeat"]["source"]["beating"] is True


def test_at_the_same_moment_the_new_rule_pauses_and_recovers(qemu_after: Qemu) -> None:
    items = (cut_at("postcopy_start+400ms"),)
    scenario = Scenario.build(**SLOW, timeline=[*items, *recovery_after(items, "600ms")])
    capture = run(scenario, rule="after")
    assert capture.result["outcome"] == {
        "after_cut": {"source": "postcopy-paused", "destination": "postcopy-paused"},
        "final": {"source": "completed", "destination": "completed"},
    }
    assert capture.ram_save_complete()["dirty"].tolist() == [0, 0]
    assert capture.result["heartbeat"]["source"]["beating"] is False
    assert capture.result["heartbeat"]["destination"]["beating"] is True


def test_a_refusing_and_a_dying_destination(qemu_after: Qemu) -> None:
    refused = Scenario.build(**SMALL, timeline=[TimelineItem("connect-failure", at_s=0)])
    capture = run(refused, rule="after")
    assert capture.outcome == "failed"
    assert capture.result["heartbeat"]["source"]["beating"] is True
    dying = Scenario.build(**SMALL)
    capture = run(dying, rule="after", kill="dest@500ms")
    assert (capture.outcome, capture.destination_state) == ("failed", "exited")
    assert capture.result["heartbeat"]["source"]["beating"] is True


def left_behind(marker: str) -> list[str]:
    """Processes whose words hold the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in words and str(os.getpid()) != path.parent.name:
            found.append(words)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_nothing(
    number: signal.Signals, qemu_after: Qemu, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = tmp_path / "scenario.json"
    Scenario.build(**{**SMALL, "bandwidth": "1MiB/s"}).save(file)
    words = [sys.executable, "-m", "migkit", "lab", "run", str(file)]
    words += ["--out", str(tmp_path / "kept" / "run"), "--qemu", str(qemu_after.path)]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 60
        while not list(scratch.glob("*/source.trace.log")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        time.sleep(0.5)
        assert left_behind(f"{scratch}/")
        process.send_signal(number)
        said = process.stderr.read().decode()
        code = process.wait(30)
    deadline = time.monotonic() + 10
    while left_behind(f"{scratch}/") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left_behind(f"{scratch}/") == []
    assert not (tmp_path / "kept" / "run").exists()
    if number == signal.SIGKILL:
        # Nobody is there to clean up; the QEMUs are gone all the same.
        return
    assert (code, said) == (130, "migkit: interrupted\n")
    assert list(scratch.iterdir()) == []
    assert list((tmp_path / "kept").iterdir()) == []
