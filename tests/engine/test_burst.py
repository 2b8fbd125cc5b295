"""Many writes at once: guests large enough for long bursts, and what may come between."""

from __future__ import annotations

from typing import Any

import pytest

from migkit import _engine, oracle
from migkit.plan import make_plan
from migkit.scenario import Scenario
from tests.engine.test_oracle_equality import assert_equal_recordings

COMMANDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "cut": {"command": "cut", "at": "61ms"},
    "cancel": {"command": "migrate_cancel", "at": "47ms"},
    "limit": {
        "command": "migrate-set-parameters",
        "at": "33ms",
        "arguments": {"max-bandwidth": 90_000_000},
    },
    "link": {
        "command": "link-change",
        "at": "21ms",
        "arguments": {"bandwidth": 200_000_000},
    },
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "values",
    [
        {"bandwidth": 0},
        {"bandwidth": "10Gbit/s"},
        {"bandwidth": "2Gbit/s", "link_bandwidth": "5Gbit/s", "rule": "before"},
    ],
    ids=["unlimited", "10 Gbit/s", "slow link"],
)
def test_bursts_are_what_the_oracle_does_page_by_page(
    values: dict[str, Any], command: str
) -> None:
    """A budget, a time slice, a command or a cut in the middle of a burst ends it there."""
    plan = make_plan(
        Scenario.build(
            memory="160MiB",
            workload="uniform:3000",
            timeline=[COMMANDS[command]] if COMMANDS[command] else [],
            observe_for="3s",
            **values,
        )
    )
    assert_equal_recordings(_engine.run(plan), oracle.run(plan))


def test_zero_and_data_pages_by_turns() -> None:
    """Runs of a few pages of each kind: bursts that end before they began."""
    scenario = Scenario.build(
        memory="64MiB", workload="hotcold:9000,hot=40,percent=60,pages=9000,base=333"
    )
    plan = make_plan(scenario)
    extents = tuple((first, first % 7 + 1) for first in range(0, plan.block_pages[0] - 90, 83))
    mixed = type(plan)(**{**vars(plan), "nonzero_extents": extents})
    assert_equal_recordings(_engine.run(mixed), oracle.run(mixed))


def test_few_dirty_pages_in_much_memory() -> None:
    """Sweeps that pass over chunks without a mark find every page, round after round."""
    plan = make_plan(
        Scenario.build(
            memory="256MiB",
            workload="phases:sequential:40000,pages=2000@150ms+uniform:900@350ms",
            bandwidth="4Gbit/s",
            downtime_limit="1ms",
            observe_for="4s",
        )
    )
    recording = _engine.run(plan)
    assert recording["counters"]["dirty_sync_count"] >= 4
    assert_equal_recordings(recording, oracle.run(plan))
