"""Blocktime by hand: QEMU's accounting of both ages, and the destination's query-migrate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import datasets, simulate
from migkit._engine import blocktime as compiled
from migkit.oracle import blocktime as plain
from migkit.results.blocktime import destination_summary_of
from migkit.scenario import Scenario

MS = 1_000_000
ACCOUNTS = pytest.mark.parametrize(
    "account", [compiled.account_faults, plain.account_faults], ids=["engine", "oracle"]
)
END = -1
BUCKETS = pytest.mark.parametrize(
    ("latency_ns", "bucket"),
    [
        (0, 0), (999, 0), (1_000, 0), (1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2),
        (5_300_000, 12), (65_535_999, 15), (65_536_000, 16), (2**23 * 1000, 23), (2**50, 23),
    ],
)  # fmt: skip


@BUCKETS
def test_buckets_are_powers_of_two_of_a_microsecond(latency_ns: int, bucket: int) -> None:
    """Bucket N holds 2^N to 2^(N+1) us; the first takes 0 too, the last everything beyond."""
    assert compiled.latency_bucket(latency_ns) == plain.latency_bucket(latency_ns) == bucket


@ACCOUNTS
def test_all_vcpus_are_down_only_while_both_wait(account) -> None:
    """Two vCPUs wait 0..5 and 2..9 ms: together 2..5, so 3 ms; each its own time."""
    told = account(2, True, 0, [(0, 7, 0), (1, 8, 2 * MS), (END, 7, 5 * MS), (END, 8, 9 * MS)])
    assert told["total"] == 3 * MS
    assert told["vcpu_total"] == (5 * MS, 7 * MS)
    assert told["vcpu_faults"] == (1, 1)
    assert sum(told["latency_counts"]) == 2
    assert told["latency_counts"][12] == 2  # 4.096..8.192 ms


@ACCOUNTS
def test_one_page_wakes_everybody_who_asked_for_it(account) -> None:
    """Both wait for one page, from 1 and 3 ms on: it ends both at 4 ms."""
    told = account(2, True, 0, [(0, 7, 1 * MS), (1, 7, 3 * MS), (END, 7, 4 * MS)])
    assert told["total"] == 1 * MS
    assert told["vcpu_total"] == (3 * MS, 1 * MS)


@ACCOUNTS
def test_a_fault_before_the_last_ones_end_is_lost_from_the_sums(account) -> None:
    """One vCPU, faults at 0 and 5 ms, ends at 6 and 11: only the second latency is counted.

    The vCPU never seems to go on in between, so the total runs from 0 to 11 ms: QEMU's sums are
    lower bounds, its total is not.
    """
    told = account(1, True, 0, [(0, 7, 0), (0, 8, 5 * MS), (END, 7, 6 * MS), (END, 8, 11 * MS)])
    assert told["vcpu_total"] == (6 * MS,)
    assert told["total"] == 11 * MS
    assert told["vcpu_faults"] == (2,)
    assert sum(told["latency_counts"]) == 2


@ACCOUNTS
def test_before_10_1_the_last_fault_overwrites_the_one_before(account) -> None:
    """Whole milliseconds since the account was made, and one address a vCPU."""
    faults = [(0, 7, 10_900_000), (0, 8, 15_100_000), (END, 7, 16 * MS), (END, 8, 21_999_999)]
    told = account(1, False, 2 * MS, faults)
    assert told["vcpu_total"] == (21 - 15,)
    assert told["total"] == 21 - 15
    assert sum(told["latency_counts"]) == 0
    two = account(
        2, False, 0, [(0, 7, 4 * MS), (1, 8, 6 * MS), (END, 7, 9 * MS), (END, 8, 9 * MS)]
    )
    assert two["total"] == 3  # from the last begin, 6, to the first end, 9
    assert two["vcpu_total"] == (5, 3)


@ACCOUNTS
def test_a_page_nobody_waits_for_counts_nothing(account) -> None:
    """Pages of the sweep end no fault."""
    told = account(2, True, 0, [(0, 7, 0), (END, 9, 3 * MS)])
    assert told["total"] == 0
    assert told["vcpu_total"] == (0, 0)


@given(
    faults=st.lists(
        st.tuples(st.integers(-1, 3), st.integers(0, 3), st.integers(0, 40 * MS)), max_size=60
    ),
    in_ns=st.booleans(),
    start_ns=st.integers(0, 9 * MS),
)
def test_both_engines_account_alike(faults, in_ns: bool, start_ns: int) -> None:
    """Any order of begins and ends, at times that only grow."""
    now, told = start_ns, []
    for vcpu, page, later in faults:
        now += later
        told.append((vcpu, page, now))
    assert compiled.account_faults(4, in_ns, start_ns, told) == plain.account_faults(
        4, in_ns, start_ns, told
    )


def test_a_summary_has_query_migrates_names() -> None:
    """Milliseconds for the times, nanoseconds for the latencies; means over all faults."""
    counts = [0] * 24
    counts[12] = 3
    account = {
        "in_ns": True, "total": 224_430_856, "vcpu_total": (50_137_455, 7 * MS),
        "vcpu_faults": (12, 0), "latency_counts": tuple(counts),
    }  # fmt: skip
    told = destination_summary_of({"destination_state": "completed", "blocktime": account})
    assert told == {
        "status": "completed",
        "postcopy-blocktime": 224,
        "postcopy-vcpu-blocktime": [50, 7],
        "postcopy-latency": (50_137_455 + 7 * MS) // 12,
        "postcopy-latency-dist": counts,
        "postcopy-vcpu-latency": [4_178_121, 0],
        "postcopy-non-vcpu-latency": 0,
    }
    older = {**account, "in_ns": False, "total": 192, "vcpu_total": (192,)}
    assert destination_summary_of({"destination_state": "completed", "blocktime": older}) == {
        "status": "completed",
        "postcopy-blocktime": 192,
        "postcopy-vcpu-blocktime": [192],
    }
    paused = destination_summary_of({"destination_state": "postcopy-paused", "blocktime": account})
    assert paused == {"status": "postcopy-paused"}


def test_a_recorded_run_and_its_twin_tell_the_same_fields() -> None:
    """The recorded reply is read as it is; the twin has the same members."""
    recorded = datasets.load_capture("postcopy-uniform-after")
    twin = simulate(Scenario.from_capture(datasets.capture_folder("postcopy-uniform-after")))
    real, ours = recorded.destination_summary, twin.destination_summary
    assert real["postcopy-blocktime"] == 228
    assert ours.keys() == real.keys()
    assert sum(ours["postcopy-latency-dist"]) == len(twin.faults)
    assert sum(real["postcopy-latency-dist"]) == len(recorded.faults)
    # Most faults of both end in one of three neighbouring buckets: 2 to 16 ms.
    for told in (real, ours):
        assert sum(told["postcopy-latency-dist"][11:14]) > 0.8 * sum(told["postcopy-latency-dist"])
    assert recorded.faults["vcpu"].unique().tolist() == [0]


def test_without_the_capability_there_is_no_blocktime() -> None:
    """The destination tells its state only."""
    values = {"memory": "32MiB", "workload": "uniform:2000", "bandwidth": "20MiB/s"}
    plain_run = simulate(**values, postcopy_at="350ms")
    assert plain_run.destination_summary == {"status": "completed"}
    assert len(plain_run.faults) > 0
    told = simulate(
        **values, postcopy_at="350ms", capabilities=["postcopy-ram", "postcopy-blocktime"], vcpus=3
    ).destination_summary
    assert len(told["postcopy-vcpu-blocktime"]) == 3
    assert told["postcopy-blocktime"] <= min(told["postcopy-vcpu-blocktime"])
