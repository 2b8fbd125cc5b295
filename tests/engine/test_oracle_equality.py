"""The compiled engine against its specification: every value of every recording is the same."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings

from migkit import _engine, oracle
from migkit.plan import Plan
from migkit.schema import EVENTS, RECORDING
from tests.engine.strategies import plans


def assert_equal_recordings(fast: dict, slow: dict) -> None:
    """Compare two recordings value for value, events first: they show where the two part."""
    shared = min(len(fast["events"]), len(slow["events"]))
    differs = np.flatnonzero((fast["events"][:shared] != slow["events"][:shared]).any(axis=1))
    if differs.size or len(fast["events"]) != len(slow["events"]):
        at = int(differs[0]) if differs.size else shared
        shown = slice(max(at - 3, 0), at + 2)
        raise AssertionError(
            f"events part at row {at}\n"
            f"engine: {[describe(row) for row in fast['events'][shown]]}\n"
            f"oracle: {[describe(row) for row in slow['events'][shown]]}"
        )
    for table, columns in RECORDING.items():
        for column in columns:
            np.testing.assert_array_equal(
                fast[table][column], slow[table][column], err_msg=f"{table}.{column}"
            )
    assert fast.keys() == slow.keys()
    for key in fast.keys() - RECORDING.keys() - {"events"}:
        assert fast[key] == slow[key], key


def describe(row: np.ndarray) -> str:
    """Say what an event's row means."""
    return f"{row[0]} {EVENTS[row[1]].name} {row[2:].tolist()}"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_oracle_and_engine_record_the_same(plan: Plan) -> None:
    """Any scenario gives the same recording from both."""
    assert_equal_recordings(_engine.run(plan), oracle.run(plan))
