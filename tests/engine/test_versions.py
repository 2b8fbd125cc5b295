"""What a version of QEMU does otherwise than the one before it."""

import pytest

from migkit import _engine, oracle
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.schema import SYNC_REASONS

RUNS = [pytest.param(_engine.run, id="engine"), pytest.param(oracle.run, id="oracle")]
SETUP, EXACT, FINAL, POSTCOPY = (
    SYNC_REASONS.index(name) for name in ("setup", "exact", "final", "postcopy")
)


def record(run, version, **more):
    """Simulate 8 MiB of data at 20 MiB/s: four windows of 100 ms, then the end."""
    built = {"memory": "8MiB", "workload": "uniform:50", "bandwidth": "20MiB/s"}
    return run(make_plan(Scenario.build(qemu_version=version, **built, **more)))


@pytest.mark.parametrize("run", RUNS)
def test_the_sync_of_a_stopped_guest_counts_up_to_10_2(run):
    old, new = (record(run, version) for version in ("10.2.2", "11.1.3"))
    for recording, counted in ((old, 0), (new, 1)):
        reasons = recording["rounds"]["reason"].tolist()
        assert reasons.count(FINAL) == 1
        assert recording["counters"]["dirty_sync_count"] == len(reasons) - counted
    for column in old["rounds"]:
        assert old["rounds"][column].tolist() == new["rounds"][column].tolist()


@pytest.mark.parametrize("run", RUNS)
def test_with_postcopy_ram_11_1_syncs_in_every_pass_of_precopy(run):
    recording = record(
        run, "11.1.3", capabilities=["postcopy-ram"], postcopy_at="250ms", downtime_limit="1ms"
    )
    passes, reasons = recording["iterations"], recording["rounds"]["reason"].tolist()
    in_precopy = (passes["in_postcopy"] == 0).sum()
    assert in_precopy > 2
    assert reasons == [SETUP, *[EXACT] * in_precopy, POSTCOPY]
    assert recording["counters"]["dirty_sync_count"] == len(reasons) - 1
    assert (passes["pending_exact_bytes"][passes["in_postcopy"] == 0] >= 0).all()


@pytest.mark.parametrize("run", RUNS)
def test_without_postcopy_ram_a_pass_far_from_the_end_does_not_sync(run):
    reasons = record(run, "11.1.3", downtime_limit="1ms")["rounds"]["reason"].tolist()
    assert reasons.count(EXACT) < 3
