"""Calibration gives back the costs that made the logs, and says what it cannot tell."""

import dataclasses
import json
import shutil

import pytest

from migkit.calibrate import calibrate
from migkit.errors import CaptureError
from migkit.host import HostProfile
from tests.calibrate.made import PRECOPY, write_capture

ODD = {
    "thread_start_ns": 2_300_000,
    "setup_ns": 1_700_000,
    "pass_ns": 9_000,
    "section_ns": 5_000,
    "sync_fixed_ns": 310_000,
    "sync_first_ns": 6_100_000,
    "limiter_wake_ns": 370_000,
    "vm_stop_ns": 420_000,
    "device_state_ns": 1_200_000,
    "first_touch_page_ns": 4_700,
    "zero_page_ns": 520,
}


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Calibration on one simulated capture of an odd host."""
    folder = tmp_path_factory.mktemp("odd") / "one"
    host = dataclasses.replace(HostProfile.load(), **ODD)
    write_capture(folder, PRECOPY / "scenario.json", host)
    return calibrate([folder])


@pytest.mark.parametrize("name", ODD)
def test_odd_costs_come_back_within_their_interval(synthetic, name):
    constant = next(item for item in synthetic.constants if item.name == name)
    assert constant.fitted
    assert constant.low <= ODD[name] <= constant.high
    assert constant.value == pytest.approx(ODD[name], rel=0.03, abs=1500)


def test_a_page_of_later_sweeps_is_read_off_the_final_pass(tmp_path):
    folder = tmp_path / "many"
    host = dataclasses.replace(HostProfile.load(), sparse_page_ns=3_300)
    write_capture(folder, PRECOPY.with_name("precopy-uniform-slow") / "scenario.json", host)
    found = {item.name: item for item in calibrate([folder]).constants}
    sparse, hidden = found["sparse_page_ns"], found["destination_page_ns"]
    assert sparse.low <= 3_300 <= sparse.high
    assert sparse.value == pytest.approx(3_300, rel=0.02)
    assert not hidden.fitted
    assert hidden.note == "not seen beside sparse_page_ns"


def test_costs_that_nothing_shows_keep_the_base(synthetic):
    for constant in synthetic.constants:
        if not constant.fitted:
            assert constant.value <= constant.base
            assert constant.note
    kept = {item.name for item in synthetic.constants if not item.fitted}
    assert {"package_ns", "fault_ns", "clock_phase_ns"} <= kept


def test_the_twin_of_a_synthetic_capture_is_explained(synthetic):
    assert not synthetic.unexplained


def test_profile_is_saved_whole_and_loads_by_path(synthetic, tmp_path):
    path = synthetic.save(tmp_path / "odd.json")
    assert HostProfile.load(path) == synthetic.profile
    assert [file.name for file in tmp_path.iterdir()] == ["odd.json"]


def test_totals_do_not_enter_the_fit(synthetic, tmp_path):
    folder = tmp_path / "another"
    host = dataclasses.replace(HostProfile.load(), **ODD)
    write_capture(folder, PRECOPY / "scenario.json", host)
    result = json.loads((folder / "result.json").read_text())
    result["query_migrate_source"]["total-time"] *= 3
    (folder / "result.json").write_text(json.dumps(result))
    found = calibrate([folder])
    assert [item.value for item in found.constants] == [item.value for item in synthetic.constants]
    assert "total time" in found.unexplained["another"]


def test_frame_and_pages_show_every_constant(synthetic):
    assert list(synthetic.frame["name"]) == [item.name for item in synthetic.constants]
    for item in synthetic.constants:
        assert item.name in str(synthetic)
        assert item.name in synthetic._repr_html_()


def numbers_in(values, prefix=""):
    """Name the numbers of a profile's plain values: an own count, from the other side."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from numbers_in(value, f"{name}.")
        elif isinstance(value, list):
            if name != "fitted_on" and not any(isinstance(item, str) for item in value):
                yield prefix + name
        elif isinstance(value, int) and not isinstance(value, bool):
            yield prefix + name


def test_no_number_of_the_profile_is_left_out(synthetic):
    expected = set(numbers_in(synthetic.profile.to_dict()))
    expected = {name for name in expected if not name.startswith(("noise.", "costs."))}
    expected -= {"devices", "machine.devices"}  # of the machine type, shares of the others
    assert {item.name for item in synthetic.constants} == expected
    assert {item.status for item in synthetic.constants} == {"fitted", "not identified", "given"}
    assert {"noise.limiter_late_ns", "noise.workload_lead_shift_ns", "noise.command_shift_ns"} <= {
        item.name for item in synthetic.scatter
    }
    given = {item.name for item in synthetic.constants if item.status == "given"}
    assert {"link.latency_ns", "machine.vmdesc_bytes"} <= given
    assert "postcopy.account_ns" in synthetic.not_identified


def test_a_recorded_host_wakes_up_about_a_tenth_of_a_millisecond_late():
    found = calibrate([PRECOPY])
    assert 50_000 < found.profile.limiter_wake_ns < 200_000


def test_captures_that_show_no_cost_are_refused(tmp_path):
    folder = tmp_path / "one"
    shutil.copytree(PRECOPY, folder)
    values = json.loads((folder / "scenario.json").read_text())
    values["transport"] = {"relay_bytes_per_s": 50_000_000}
    (folder / "scenario.json").write_text(json.dumps(values))
    with pytest.raises(CaptureError, match="no capture without relay"):
        calibrate([folder])
