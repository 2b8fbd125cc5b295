"""The evidence of the rewrite, made with real QEMUs from nothing but their programs."""

import json
from pathlib import Path

import pytest

from migkit.capture import read_capture
from migkit.cli import main
from migkit.lab import Qemu

LOST = {"source": "failed", "destination": "postcopy-paused"}
PAUSED = {"source": "postcopy-paused", "destination": "postcopy-paused"}
DONE = {"source": "completed", "destination": "completed"}


def test_both_rules_undisturbed_and_cut(
    qemu_before: Qemu, qemu_after: Qemu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "real"
    words = ["--qemu", str(qemu_before.path), "--qemu", str(qemu_after.path)]
    code = main(["reproduce", "--real", "--out", str(out), *words])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert printed.count("yes  ") == 8
    evidence = json.loads((out / "evidence.json").read_text())
    before, after, lost, saved = evidence["runs"]
    assert before["pages_in_save_complete"] > 0 == after["pages_in_save_complete"]
    assert after["ram_save_complete"] == [{"dirty": 0, "done": 0}, {"dirty": 0, "done": 1}]
    assert (before["final"], after["final"]) == (DONE, DONE)
    assert before["guest_runs_on"] == after["guest_runs_on"] == ["destination"]
    assert (lost["after_cut"], lost["final"]) == (LOST, LOST)
    assert (saved["after_cut"], saved["final"]) == (PAUSED, DONE)
    # The source gave the guest away, failed, and runs it again: both say that they run it.
    assert lost["guest_runs_on"] == ["source"]
    assert saved["guest_runs_on"] == ["destination"]
    capture = read_capture(out / "cut-in-complete-before")
    assert capture.result["run_state_source"]["status"] == "running"
    assert capture.result["run_state_destination"]["status"] == "running"
    _, cut, recover, resume = capture.result["timeline"]
    assert cut["inside_ram_save_complete"] is True
    assert "error" not in recover
    assert "no paused migration" in resume["error"]
    # What the tap counted is what the source says that it sent.
    for name in ("postcopy-before", "postcopy-after"):
        told = read_capture(out / name)
        counted = told.result["tap"]
        assert counted["normal_pages"] == told.summary["ram"]["normal"]
        assert counted["duplicate_pages"] == told.summary["ram"]["duplicate"]
