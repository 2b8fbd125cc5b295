"""The compiled decisions are those of the specification, and both are QEMU's."""

import inspect
import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migkit
from migkit import schema
from migkit._engine import commands as compiled_commands
from migkit._engine import decisions as compiled
from migkit._engine import throttling as compiled_throttling
from migkit._engine import xbzrle_rules as compiled_xbzrle
from migkit.oracle import codes
from migkit.oracle import commands as plain_commands
from migkit.oracle import decisions as plain
from migkit.oracle import throttling as plain_throttling
from migkit.oracle import xbzrle_rules as plain_xbzrle

PAIRS = (
    (plain, compiled),
    (plain_throttling, compiled_throttling),
    (plain_commands, compiled_commands),
    (plain_xbzrle, compiled_xbzrle),
)

ITERATE, COMPLETE, POSTCOPY_START = range(3)

flags = st.booleans()
numbers = st.integers(0, 2**63 - 1) | st.integers(0, 5000)
products = st.integers(0, 2**53 - 1) | st.integers(0, 5000)
durations = st.integers(1, 2**63 - 1) | st.integers(1, 5000)
percentages = st.integers(1, 99)
states = st.sampled_from([int(state) for state in codes.State])

# What each parameter may be, unless a function below says otherwise.
BY_NAME = {
    "pending": numbers, "threshold": numbers, "must_precopy": numbers,
    "in_postcopy": flags, "can_switchover": flags, "start_postcopy": flags,
    "switchover_ack": flags, "vm_running": flags, "acked": flags, "package_loaded": flags,
    "now_ms": numbers, "start_ms": numbers, "end_ms": numbers, "last_sync_ms": numbers,
    "downtime_ms": numbers, "downtime_start_ms": numbers, "elapsed_ns": numbers,
    "blackout_ns": st.integers(0, 2**62), "into_ms_ns": st.integers(0, 999_999),
    "transferred": numbers, "time_spent_ms": durations, "transfer_time_ms": numbers,
    "avail_switchover_bandwidth": numbers | st.just(0), "downtime_limit_ms": numbers,
    "dirty_pages_rate": numbers, "dirty_bytes_last_sync": numbers,
    "last": st.floats(0, 1e9), "pages": numbers, "bandwidth": numbers,
    "rate_limit_start": numbers, "rate_limit_max": numbers | st.just(0),
    "iteration_start_ms": st.integers(0, 2**62),
    "address": numbers, "cache_pages": st.integers(0, 40).map(lambda bits: 1 << bits),
    "age": st.integers(0, 2**62), "generation": numbers, "header_bytes": st.integers(8, 300),
    "encoded_bytes": st.integers(0, 2**50), "misses": numbers, "hits": st.integers(0, 2**50),
    "period_pages": products, "dirtied_pages": products, "period_ms": durations,
    "dirty_bytes": products,
    "transferred_bytes": products, "throttle_trigger_threshold": st.integers(1, 100),
    "count": st.integers(0, 2**40) | st.integers(0, 3), "previous": st.integers(0, 5),
    "wanted": flags, "percentage": percentages,
    "quota": st.integers(1, 2**31 - 1) | st.integers(1, 500),
    "current": st.integers(0, 2**31 - 1) | st.integers(0, 500),
    "throttle_us": st.integers(0, 2**50), "ring_pages": st.integers(0, 65536),
    "max_rate": st.integers(1, 2**31 - 1) | st.integers(1, 500),
    "state": states, "in_completion": flags, "asked_state": states, "released": flags,
    "command": st.sampled_from([int(command) for command in codes.Command]),
    "lock_held": flags, "blindly": flags, "stopped": flags, "counts_stopped": flags,
    "images_locked": flags, "destination_runs": flags,
}  # fmt: skip

THROTTLE_STEP = st.tuples(
    st.integers(0, 99), percentages, percentages, flags, percentages, products, products
).filter(lambda drawn: drawn[5] < drawn[6])


def rules():
    """Public functions of both, with a strategy for their arguments."""
    for specification, fast in PAIRS:
        for name, function in inspect.getmembers(specification, inspect.isfunction):
            if name.startswith("_"):
                continue
            if name == "throttle_step":
                drawn = THROTTLE_STEP
            else:
                drawn = st.tuples(*(BY_NAME[p] for p in inspect.signature(function).parameters))
            yield pytest.param(function, getattr(fast, name), drawn, id=name)


@pytest.mark.parametrize(("slow", "fast", "arguments"), list(rules()))
def test_oracle_and_engine_decide_alike(slow, fast, arguments):
    @given(arguments)
    def check(drawn):
        assert fast(*drawn) == slow(*drawn)

    check()


@pytest.mark.parametrize(("specification", "fast"), PAIRS)
def test_both_have_the_same_functions(specification, fast):
    def public(module):
        return {n for n in dir(module) if not n.startswith("_") and callable(getattr(module, n))}

    here = {n for n in public(specification) if inspect.isfunction(getattr(specification, n))}
    assert public(fast) == here


def test_codes_of_types_pxd_are_those_of_the_schema():
    text = (Path(migkit.__file__).parent / "_engine" / "types.pxd").read_text()
    found = {name: int(value) for name, value in re.findall(r"^ {4}(\w+) = (\d+)$", text, re.M)}
    for prefix, names in (
        ("STATE_", schema.STATES),
        ("DECISION_", schema.DECISIONS),
        ("COMMAND_", schema.COMMANDS),
        ("RUN_STATE_", schema.RUN_STATES),
        ("SYNC_", schema.SYNC_REASONS),
        ("CHECKPOINT_", [name.removeprefix("src-") for name in schema.CHECKPOINTS]),
        ("EVENT_", [*schema.EVENT_CODES, "count"]),
    ):
        expected = {prefix + n.upper().replace("-", "_"): i for i, n in enumerate(names)}
        assert {k: v for k, v in found.items() if k.startswith(prefix)} == expected


@pytest.fixture(params=[plain, compiled], ids=["plain", "compiled"])
def rule(request):
    return request.param


def passes(rule, estimate, exact, threshold, *, in_postcopy=False, must=0, start=False):
    """Decide one pass by both rules, asking for the exact size where they do: (before, after)."""
    before = exact if rule.exact_wanted_before(estimate, threshold) else estimate
    after = exact if rule.exact_wanted_after(in_postcopy, estimate, threshold) else estimate
    return (
        rule.completion_before(in_postcopy, before, must, threshold, True, start),
        rule.completion_after(in_postcopy, after, must, threshold, True, start),
    )


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (dict(estimate=5, exact=8, threshold=9), (COMPLETE, COMPLETE)),
        (dict(estimate=5, exact=9, threshold=9), (ITERATE, COMPLETE)),
        (dict(estimate=5, exact=10, threshold=9), (ITERATE, ITERATE)),
        (dict(estimate=9, exact=99, threshold=9), (ITERATE, COMPLETE)),
        (dict(estimate=0, exact=99, threshold=0), (COMPLETE, COMPLETE)),
        (dict(estimate=5, exact=5, threshold=9, start=True), (COMPLETE, POSTCOPY_START)),
        (dict(estimate=50, exact=0, threshold=9, start=True), (POSTCOPY_START, POSTCOPY_START)),
        (dict(estimate=50, exact=0, threshold=9, start=True, must=10), (ITERATE, ITERATE)),
        (dict(estimate=5, exact=5, threshold=9, in_postcopy=True), (COMPLETE, ITERATE)),
        (dict(estimate=0, exact=0, threshold=9, in_postcopy=True), (COMPLETE, COMPLETE)),
        (dict(estimate=9, exact=9, threshold=9, in_postcopy=True), (ITERATE, ITERATE)),
    ],
)
def test_situations_in_which_the_rules_were_compared_by_hand(rule, situation, expected):
    assert passes(rule, **situation) == expected


def test_rules_differ_exactly_where_the_rewrite_says(rule):
    for in_postcopy, pending, must, threshold, able, start in itertools.product(
        (False, True), range(4), range(4), range(4), (False, True), (False, True)
    ):
        arguments = (in_postcopy, pending, must, threshold, able, start)
        differ = rule.completion_before(*arguments) != rule.completion_after(*arguments)
        if in_postcopy:
            expected = (able and 0 < pending < threshold) or (pending == 0 and not able)
        else:
            small = pending < threshold or pending == 0
            to_postcopy = start and must <= threshold
            expected = able and (
                (to_postcopy and small)
                or (pending == threshold > 0 and not to_postcopy)
            )  # fmt: skip
        assert differ == expected, arguments


def test_exact_size_is_asked_in_postcopy_only_before(rule):
    assert rule.exact_wanted_before(8, 9)
    assert rule.exact_wanted_after(False, 8, 9)
    assert not rule.exact_wanted_after(True, 8, 9)
    assert not rule.exact_wanted_before(9, 9)
    assert not rule.exact_wanted_after(False, 0, 0)


@pytest.mark.parametrize(
    ("transferred", "expected"), [(2101266, 6303798), (2101330, 6303990)]
)  # 20 MiB/s
def test_golden_thresholds_of_measured_windows(rule, transferred, expected):
    assert rule.threshold_size(transferred, 100, 0, 300) == expected
    assert int(rule.window_bandwidth(transferred, 100)) == transferred // 100


def test_switchover_bandwidth_given_in_bytes_per_second_counts_whole_kilobytes(rule):
    assert rule.threshold_size(131346, 100, 458752000, 1) == 112 * 4096
    assert rule.threshold_size(131346, 100, 458752999, 1) == 112 * 4096
    assert rule.threshold_size(131346, 100, 999, 300) == 0


def test_window_without_bytes_has_threshold_zero(rule):
    assert rule.threshold_size(0, 100, 0, 300) == 0
    assert rule.expected_downtime_ms(4096, 0, 100, 0) == 2**63 - 1


def test_golden_budget_of_a_window(rule):
    budget = rule.rate_limit_max(20971520)
    assert budget == 2097152
    assert not rule.rate_exceeded(61 + budget, 61, budget)
    assert rule.rate_exceeded(61 + budget + 1, 61, budget)
    assert rule.rate_limit_max(9) == 0
    assert not rule.rate_exceeded(2**62, 0, 0)


def test_golden_mbps_of_a_completed_run(rule):
    assert math.isclose(rule.mbps_whole(148579, 10, 0.0), 118.8632)
    assert rule.mbps_whole(148579, 0, 7.5) == 7.5


def test_window_pass_and_period_end_at_their_limits(rule):
    assert [rule.window_closes(now, 1000) for now in (1099, 1100)] == [False, True]
    assert rule.rate_limit_sleep_ms(1000, 1003) == 97
    assert [rule.pass_time_over(ns) for ns in (50_999_999, 51_000_000)] == [False, True]
    assert [rule.sync_period_over(now, 500) for now in (1500, 1501)] == [False, True]


@pytest.mark.parametrize(
    ("state", "in_completion", "expected"),
    [
        ("active", False, "failed"),
        ("device", True, "failed"),
        ("postcopy-device", False, "failed"),
        ("postcopy-active", False, "postcopy-paused"),
        ("postcopy-active", True, "failed"),
        ("postcopy-recover", False, "postcopy-paused"),
        ("postcopy-paused", False, "postcopy-paused"),
        ("completed", False, "completed"),
        ("cancelling", False, "cancelling"),
    ],
)
def test_broken_channel_pauses_only_a_running_postcopy(rule, state, in_completion, expected):
    code = rule.state_after_channel_error(schema.STATES.index(state), in_completion)
    assert schema.STATES[code] == expected
