"""Whole runs of real pairs: recorded as captures, cut, recovered, interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from migkit.cli import main
from migkit.errors import NotSimulatedError
from migkit.lab import Qemu, run, run_twins
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from real.machine import LIMIT_S, until

TEXT = "uniform:1000,pages=6000,seed=3,write=count"
SMALL = {"memory": "32MiB", "workload": TEXT, "bandwidth": "16MiB/s"}


def test_a_precopy_run_is_a_capture_that_every_part_reads(
    qemu_before: Qemu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So few writes that the length of the run, on a slow machine, hardly counts in what is sent.
    few = {**SMALL, "workload": TEXT.replace("1000", "100")}
    scenario = Scenario.build(**few, downtime_limit="100ms", name="small")
    told: list[str] = []
    twins = run_twins(scenario, tmp_path / "small", rule="before", say=told.append)
    capture = twins.real
    assert (capture.outcome, capture.destination_state) == ("completed", "completed")
    assert any("active" in line for line in told)
    ram = capture.summary["ram"]
    assert ram["total"] == 32 * 2**20 + 532_480
    assert ram["normal"] >= 6000
    beats = capture.result["heartbeat"]
    assert [beats[side]["beating"] for side in ("source", "destination")] == [False, True]
    # The guest went on where it stopped: a page in 10 milliseconds, on both sides together.
    assert 10 * beats["destination"]["page_writes"] == beats["destination"]["guest_ms"]
    assert beats["destination"]["guest_ms"] > beats["source"]["guest_ms"]
    assert len(capture.polls) >= 5
    assert capture.scenario.workload.pages == 6000
    assert main(["read", str(tmp_path / "small")]) == 0
    assert main(["compare", str(tmp_path / "small")]) in (0, 1)
    assert "small" in capsys.readouterr().out
    # The twin was told the same: what goes out before the guest stops is alike.
    values = {row["value"]: row for row in twins.rows()}
    assert values["outcome"]["real"] == values["outcome"]["simulated"] == "completed"
    sent = values["precopy-bytes"]
    assert abs(sent["real"] - sent["simulated"]) < 0.2 * sent["real"]
    # The first pass finds the pages that the model says there are: all that hold data.
    first = capture.scenario.guest.total_pages
    zero = first - sum(block.nonzero_pages for block in capture.scenario.guest.ram_blocks)
    assert abs(ram["duplicate"] - zero) <= 40


def test_a_refusing_and_a_dying_destination(qemu_after: Qemu) -> None:
    refused = Scenario.build(**SMALL, timeline=[TimelineItem("connect-failure", at_s=0)])
    capture = run(refused, rule="after")
    assert capture.outcome == "failed"
    assert capture.result["heartbeat"]["source"]["beating"] is True
    dying = Scenario.build(**{**SMALL, "bandwidth": "4MiB/s"})
    capture = run(dying, rule="after", kill="dest@500ms")
    assert (capture.outcome, capture.destination_state) == ("failed", "exited")
    assert capture.result["heartbeat"]["source"]["beating"] is True


def test_a_killed_source_leaves_the_guest_of_postcopy_without_its_pages(
    qemu_after: Qemu, tmp_path: Path
) -> None:
    text = "uniform:500,pages=4000,base=1024"
    asked = Scenario.build(**{**SMALL, "workload": text, "bandwidth": "4MiB/s"},
                           postcopy_at="300ms", postcopy_bandwidth="1MiB/s")  # fmt: skip
    capture = run(asked, tmp_path / "run", rule="after", kill="source@postcopy_start+200ms")
    assert (capture.outcome, capture.destination_state) == ("exited", "postcopy-paused")
    with pytest.raises(NotSimulatedError, match="kill-source"):
        _ = capture.scenario


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

    def migrates() -> bool:
        assert process.poll() is None, process.communicate()
        logs = scratch.glob("*/source.trace.log")
        return any("new state active" in log.read_text(errors="replace") for log in logs)

    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(migrates, "migration")
            assert left_behind(f"{scratch}/")
            process.send_signal(number)
            _, said = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    until(lambda: not left_behind(f"{scratch}/"), "end of what it started")
    assert not (tmp_path / "kept" / "run").exists()
    if number == signal.SIGKILL:
        # Nobody is there to clean up; the QEMUs are gone all the same.
        return
    assert (process.returncode, said) == (130, "migkit: interrupted\n")
    assert list(scratch.iterdir()) == []
    assert list((tmp_path / "kept").iterdir()) == []
