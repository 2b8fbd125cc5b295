"""How sure a fitted cost is, and what recordings of one scenario differ by."""

import dataclasses
import json

import numpy as np
import pytest

from migkit.calibrate import calibrate
from migkit.calibrate.scatter import fitted_noise
from migkit.calibrate.uncertainty import spread_of
from migkit.host import HostProfile
from tests.calibrate.made import PRECOPY


def test_standard_error_of_a_median_of_known_scatter():
    generator = np.random.default_rng(5)
    values = generator.normal(100_000, 8_000, size=400)
    spread = spread_of([values])
    assert spread.standard_error == pytest.approx(1.2533 * 8_000 / 20, rel=0.25)
    assert spread.quartiles == pytest.approx((94_604, 105_396), rel=0.01)
    assert spread_of([values]) == spread


@pytest.mark.parametrize(("captures", "spans"), [(2, 1), (3, 5), (15, 9)])
def test_interval_holds_the_true_median_nine_times_in_ten(captures, spans):
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(100):
        hosts = generator.normal(100_000, 6_000, size=captures)
        seen = [generator.normal(host, 2_000, size=spans) for host in hosts]
        low, high = spread_of(seen).interval
        held += low <= 100_000 <= high
    assert 80 <= held <= 99


def test_scatter_between_captures_counts_more_than_spans_within_one():
    many = [np.full(50, 1_000.0 * k) for k in range(1, 6)]
    one = [np.concatenate(many)]
    assert spread_of(many).standard_error > 2 * spread_of(one).standard_error


def test_noise_is_what_the_recordings_differ_by(tmp_path):
    names = ("postcopy-uniform-after", "postcopy-uniform-before")
    folders = [PRECOPY.with_name(name) for name in names]
    found = calibrate(folders)
    shifts = []
    for folder in folders:
        own = json.loads((folder / "scenario.json").read_text())["timeline"][0]["issued_s"]
        repeats = json.loads((folder / "repeats.json").read_text())
        shifts += [round((item["timeline_issued_s"][0] - own) * 1e9) for item in repeats]
    assert list(found.profile.noise.command_shift_ns) == pytest.approx(sorted(shifts), abs=1)
    entry = {item.name: item for item in found.scatter}
    assert entry["noise.command_shift_ns"].captures == names
    assert entry["noise.command_shift_ns"].status == "fitted"
    assert entry["noise.workload_lead_shift_ns"].status == "not identified"
    late = found.profile.noise.limiter_late_ns
    assert len(late) == 2
    assert all(min(values) == 0 and max(values) > 100_000 for values in late)
    assert HostProfile.load(found.save(tmp_path / "noisy.json")) == found.profile


def test_lateness_of_the_limiter_is_measured_from_the_usual():
    base = HostProfile.load()
    spans = np.array([80_000.0] * 90 + [1_080_000.0] * 10)
    seen = {"limiter_wake_ns": {"a": spans, "b": spans[:5]}}
    profile, entries = fitted_noise(base, base, seen, [])
    (late,) = profile.noise.limiter_late_ns
    assert late.count(0) == 45
    assert late.count(1_000_000) == 5
    assert entries[0].captures == ("a",)
    assert profile.noise.command_shift_ns == base.noise.command_shift_ns
    assert entries[2].status == "not identified"


def test_quantiles_of_a_cost_lie_around_its_value():
    base = HostProfile.load()
    profile = dataclasses.replace(base, vm_stop_ns=200_000, device_state_ns=900_000)
    spans = {f"c{k}": np.array([1000.0 * k]) for k in (90, 100, 110, 120, 130)}
    noise, entries = fitted_noise(base, profile, {"vm_stop_ns": spans, "limiter_wake_ns": {}}, [])
    costs = noise.noise.costs
    assert costs["vm_stop_ns"] == (180_000, 190_000, 200_000, 210_000, 220_000)
    assert costs["device_state_ns"] == tuple(
        value + 200_000 for value in base.noise.costs["device_state_ns"]
    )
    notes = {item.name: item.note for item in entries}
    assert notes["noise.costs.device_state_ns"].endswith("moved with its cost")
