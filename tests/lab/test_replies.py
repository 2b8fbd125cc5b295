"""How a run ended, in the captures' words, and on the command line."""

from migkit.cli.lab_run import result_lines
from migkit.lab.replies import outcome_of, progress_line
from migkit.lab.rewrite import RealEvidence

STATES = {
    "source": {"migration": {"status": "failed"}, "vm": {"status": "running"}},
    "destination": {"migration": "exited", "vm": "exited"},
}


def test_an_undisturbed_end_is_the_sources_state() -> None:
    assert outcome_of({}, STATES, None) == "failed"
    assert outcome_of({}, STATES, 25.5) == "active at the end of observation"


def test_after_a_cut_both_sides_are_told_twice() -> None:
    paused = {side: {"migration": {"status": "postcopy-paused"}} for side in STATES}
    assert outcome_of({"after_cut": paused}, STATES, None) == {
        "after_cut": {"source": "postcopy-paused", "destination": "postcopy-paused"},
        "final": {"source": "failed", "destination": "exited"},
    }


def test_progress_is_one_line() -> None:
    reply = {"ram": {"transferred": 3 << 20, "remaining": 5 << 20}}
    assert progress_line("active", 1.25, reply) == "active  1.2 s  sent 3 MiB, left 5"
    assert "sent 0 MiB" in progress_line("setup", 0, {})


def test_what_a_run_tells_beside_its_summary() -> None:
    beat = {"beating": True}
    result = {
        "outcome": {"after_cut": {"source": "failed", "destination": "postcopy-paused"}},
        "tap": {"pages_in_save_complete": 7},
        "heartbeat": {"source": beat, "destination": {"beating": False}},
        "qemu": {"source": {"version": "10.0.13"}, "destination": {"version": "10.0.13"}},
    }
    lines = [" ".join(line.split()) for line in result_lines(result)]
    assert lines == [
        "after cut source failed, destination postcopy-paused",
        "in save_complete 7 pages, counted in the stream",
        "guest runs on source",
        "QEMU source 10.0.13, destination 10.0.13",
    ]
    assert not any("guest runs" in line for line in result_lines({"outcome": "completed"}))


def test_evidence_says_which_statement_does_not_hold() -> None:
    row = {
        "run": "postcopy-before",
        "qemu": "10.0.13",
        "pages_in_save_complete": 0,
        "after_cut": None,
        "final": {"source": "completed", "destination": "completed"},
        "guest_runs_on": [],
    }
    evidence = RealEvidence((row,), {"this": True, "that": False})
    assert not evidence.holds
    text = str(evidence)
    assert "yes  this\nNO   that" in text
    assert "neither" in text
    assert evidence.to_dict()["holds"] is False
