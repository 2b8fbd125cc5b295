"""The evidence: recorded numbers as QEMU printed them, the engine's own, and the rules' edges."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from migkit import datasets
from migkit.errors import ReproduceError
from migkit.evidence import (
    Evidence,
    boundary_table,
    collect,
    commit_scenario,
    completion_tail,
    completion_trace,
    find_pairs,
    simulate_commit,
    unrecoverable_share_percent,
)
from migkit.evidence.commit import MESSAGE_LINES, commit_stamp
from migkit.evidence.service import with_second_iterable
from migkit.scenario import Scenario
from migkit.simulate import simulate

RECORDED = {  # dirty at done=0, before; all others are 0
    "cut": 58086,
    "postcopy-hot": 73625,
    "postcopy-long-downtime": 65929,
    "postcopy-uniform": 58292,
}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Return the evidence made from the shipped captures."""
    return collect(datasets.capture_folders())


def test_pairs_differ_in_the_rule_alone() -> None:
    pairs = find_pairs(datasets.capture_folders())
    assert [pair.name for pair in pairs] == [*sorted(RECORDED), "precopy-hot"]
    for pair in pairs:
        assert (pair.before.name, pair.after.name) == tuple(
            sorted((pair.before.name, pair.after.name), reverse=pair.name != "cut")
        )


def test_evidence_needs_a_pair() -> None:
    with pytest.raises(ReproduceError, match="no two captures"):
        collect([datasets.capture_folder("idle")])


def test_recorded_tails_are_what_the_logs_say(evidence: Evidence) -> None:
    recorded = evidence.pairs[evidence.pairs["source"] == "recorded"].set_index(["pair", "rule"])
    for pair, dirty in RECORDED.items():
        assert recorded.at[(pair, "before"), "dirty_at_start"] == dirty
        assert recorded.at[(pair, "before"), "pages_inside"] == dirty
        assert recorded.at[(pair, "after"), "dirty_at_start"] == 0
    assert recorded.at[("precopy-hot", "before"), "dirty_at_start"] == 4408
    assert recorded.at[("precopy-hot", "after"), "dirty_at_start"] == 4400
    hot = recorded.loc[[("postcopy-hot", "before")]].iloc[0]
    assert hot["duration_ms"] == pytest.approx(184.448)
    assert hot["share_of_postcopy_pages_percent"] == pytest.approx(100 * 73625 * 4096 / 414035968)
    assert hot["pending_at_completion_bytes"] == 301568000
    assert hot["exact_queries_in_postcopy"] == 1


def test_twins_have_the_pattern_of_the_recordings(evidence: Evidence) -> None:
    table = evidence.pairs.pivot(index=["pair", "rule"], columns="source", values="pages_inside")
    assert ((table["recorded"] > 0) == (table["simulated"] > 0)).all()


def test_the_commits_lines_come_out_of_the_engine() -> None:
    stamp = commit_stamp()
    before = completion_trace(simulate_commit("before"), stamp)
    after = completion_trace(simulate_commit("after"), stamp)
    assert before == list(MESSAGE_LINES["before"])
    # The message repeats the first pair's time stamps here; what it says else is the same.
    assert [line.split(":")[1] for line in after] == [
        line.split(":")[1] for line in MESSAGE_LINES["after"]
    ]


def test_another_input_moves_the_commits_numbers() -> None:
    scenario = commit_scenario("before")
    changed = dataclasses.replace(scenario, workload=scenario.workload.seeded(607))
    lines = completion_trace(simulate(changed), commit_stamp())
    assert lines[0] != MESSAGE_LINES["before"][0]
    assert completion_tail(simulate(changed)).dirty_at_start not in {0, 9627}


def test_postcopy_asks_for_no_exact_size_after_the_rewrite(evidence: Evidence) -> None:
    point = evidence.points[evidence.points["point"] == "1"]
    assert (point["before"] > 0).all()
    assert (point["after"] == 0).all()


def test_postcopy_completes_at_pending_zero_after_the_rewrite(evidence: Evidence) -> None:
    point = evidence.points[evidence.points["point"] == "2"]
    assert (point["before"] > 0).all()
    assert (point["after"] == 0).all()


def test_a_second_iterable_starves_before_and_is_served_after(evidence: Evidence) -> None:
    before, after = (evidence.services.set_index("rule").loc[rule] for rule in ("before", "after"))
    assert before["times_served"] == before["served_bytes"] == 0
    assert before["longest_wait_ms"] == pytest.approx(before["tail_ms"])
    assert after["times_served"] > 0
    assert after["longest_wait_ms"] < before["longest_wait_ms"]


def test_the_second_iterable_sends_all_its_data_under_both_rules() -> None:
    for rule in ("before", "after"):
        run = simulate(with_second_iterable(commit_scenario("before"), rule))
        assert run.outcome == "completed"


def test_a_cut_loses_the_guest_inside_save_complete_only(evidence: Evidence) -> None:
    for rule, cuts in evidence.cuts.groupby("rule"):
        tail = completion_tail(simulate(_with_rule(evidence.slow_scenario, str(rule))))
        assert tail.postcopy_ms is not None
        assert tail.duration_ms is not None
        inside = cuts["ms_since_postcopy_began"] > tail.postcopy_ms - tail.duration_ms
        assert ((cuts["fate"] == "lost") == inside).all()
        assert (cuts.loc[cuts["fate"] == "paused", "source"] == "postcopy-paused").all()
        assert bool(inside.any()) == (rule == "before")
        # Only the first moments of postcopy come before the destination runs the guest.
        assert (cuts["fate"] == "at the source").sum() <= 2


def _with_rule(scenario: Scenario, rule: str) -> Scenario:
    return dataclasses.replace(scenario, completion_rule=rule)


def test_the_share_of_cuts_that_lose_the_guest() -> None:
    cuts = pd.DataFrame({"fate": ["paused", "lost", "lost", "at the source", "lost"]})
    assert unrecoverable_share_percent(cuts) == pytest.approx(60.0)


def test_the_rules_differ_where_the_commit_says_and_nowhere_else() -> None:
    cases = boundary_table()
    assert (cases["differ"] == (cases["point"] != "")).all()
    decisions = {(case.case): (case.before, case.after) for case in cases.itertuples()}
    assert decisions["in postcopy, one page left"] == ("complete", "iterate")
    assert decisions["in postcopy, nothing left"] == ("complete", "complete")
    assert decisions["in postcopy, pending = threshold"] == ("iterate", "iterate")
    assert decisions["in precopy, pending = threshold"] == ("iterate", "complete")
    assert decisions["in precopy, nothing left, threshold 0"] == ("complete", "complete")
    assert decisions["in precopy, one page left, threshold 0"] == ("iterate", "iterate")
    asked = "postcopy asked for, pending below the threshold"
    assert decisions[asked] == ("complete", "postcopy_start")


def test_only_the_old_rule_asks_for_exact_sizes_in_postcopy() -> None:
    cases = boundary_table()
    assert not cases.loc[cases["in_postcopy"], "exact_after"].any()
    below = cases["pending_bytes"] < cases["threshold_bytes"]
    assert (cases["exact_before"] == below).all()
