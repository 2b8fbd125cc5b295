"""Calibration gives back the costs that made the logs, and says what it cannot tell."""

import dataclasses
import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from migkit.calibrate import calibrate
from migkit.calibrate.agreement import closer
from migkit.calibrate.costs import number_of, with_numbers
from migkit.calibrate.explanation import with_host
from migkit.calibrate.scatter import fitted_noise
from migkit.calibrate.uncertainty import spread_of
from migkit.cli import main
from migkit.errors import CaptureError
from migkit.host import HostProfile
from migkit.scenario import Scenario
from migkit.simulate import simulate

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


def write_capture(folder, scenario_file, host):
    """Write the simulated log of a scenario on a host as a capture."""
    folder.mkdir()
    shutil.copy(scenario_file, folder / "scenario.json")
    scenario = with_host(Scenario.from_capture(folder), host)
    run = simulate(scenario)
    result = {
        "outcome": run.outcome,
        "query_migrate_source": run.summary,
        "query_migrate_destination": {"status": run.destination_state},
    }
    (folder / "result.json").write_text(json.dumps(result))
    log = run.to_trace_log(form="iso")
    with gzip.open(folder / "source.trace.log.gz", "wt") as file:
        file.write(log)
    with gzip.open(folder / "dest.trace.log.gz", "wt") as file:
        file.write(log.splitlines(keepends=True)[0])


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Calibration on one simulated capture of an odd host."""
    folder = tmp_path_factory.mktemp("odd") / "one"
    host = dataclasses.replace(HostProfile.load(), **ODD)
    write_capture(folder, PRECOPY / "scenario.json", host)
    return calibrate([folder])


PRECOPY = Path(__file__).parents[1] / "datasets" / "captures" / "precopy-hot-tight"
POSTCOPY = PRECOPY.with_name("postcopy-uniform-after")


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


def test_command_writes_a_profile(tmp_path, capsys):
    out = tmp_path / "mine.json"
    assert main(["calibrate", str(PRECOPY), "--out", str(out)]) == 0
    profile = HostProfile.load(out)
    assert profile.name == "mine"
    assert profile.fitted_on == (PRECOPY.name,)
    assert "limiter_wake_ns" in capsys.readouterr().out


def test_a_recorded_host_wakes_up_about_a_tenth_of_a_millisecond_late():
    found = calibrate([PRECOPY])
    assert 50_000 < found.profile.limiter_wake_ns < 200_000


def test_wrong_folder_and_wrong_file_are_one_line(tmp_path, capsys):
    assert main(["calibrate", str(tmp_path / "nowhere")]) == 2
    assert main(["calibrate", str(PRECOPY), "--out", str(tmp_path / "x.txt")]) == 2
    assert main(["calibrate", str(PRECOPY), "--base", "nohost"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert not list(tmp_path.iterdir())


def test_captures_that_show_no_cost_are_refused(tmp_path):
    folder = tmp_path / "one"
    shutil.copytree(PRECOPY, folder)
    values = json.loads((folder / "scenario.json").read_text())
    values["transport"] = {"relay_bytes_per_s": 50_000_000}
    (folder / "scenario.json").write_text(json.dumps(values))
    with pytest.raises(CaptureError, match="no capture without relay"):
        calibrate([folder])


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
    assert {item.name for item in synthetic.constants} == expected
    assert {item.status for item in synthetic.constants} == {"fitted", "not identified", "given"}
    assert {"noise.limiter_late_ns", "noise.workload_lead_shift_ns", "noise.command_shift_ns"} <= {
        item.name for item in synthetic.scatter
    }
    given = {item.name for item in synthetic.constants if item.status == "given"}
    assert {"link.latency_ns", "machine.vmdesc_bytes"} <= given
    assert "postcopy.account_ns" in synthetic.not_identified


DESTINATION = """\
1970-01-01T00:00:02.900000Z loadvm_process_command com=POSTCOPY_RAM_DISCARD len=201
{discards}
1970-01-01T00:00:03.000000Z loadvm_handle_cmd_packaged 12952
1970-01-01T00:00:03.000100Z loadvm_postcopy_handle_listen enter
1970-01-01T00:00:03.000740Z loadvm_postcopy_handle_listen return
1970-01-01T00:00:03.002000Z vmstate_downtime_checkpoint dst-precopy-loadvm-completed
1970-01-01T00:00:03.002033Z vmstate_downtime_checkpoint dst-postcopy-bh-enter
1970-01-01T00:00:03.002037Z vmstate_downtime_checkpoint dst-postcopy-bh-cpu-synced
1970-01-01T00:00:03.002048Z vmstate_downtime_checkpoint dst-postcopy-bh-announced
1970-01-01T00:00:03.002054Z vmstate_downtime_checkpoint dst-postcopy-bh-cache-invalidated
1970-01-01T00:00:03.002110Z vmstate_downtime_checkpoint dst-postcopy-bh-vm-started
"""
STEPS = {
    "postcopy.discard_range_ns": 2_000,
    "postcopy.listen_ns": 740_000,
    "package_load_ns": 2_110_000,
    "landing.bh_ns": 33_000,
    "landing.cpu_sync_ns": 4_000,
    "landing.announce_ns": 11_000,
    "landing.activate_ns": 6_000,
    "landing.start_ns": 56_000,
}


@pytest.fixture(scope="module")
def made_destination(tmp_path_factory):
    """Calibration on one capture whose destination's log is written by hand."""
    folder = tmp_path_factory.mktemp("made") / "switch"
    write_capture(folder, POSTCOPY / "scenario.json", HostProfile.load())
    line = "1970-01-01T00:00:02.{:06d}Z loadvm_process_command com=POSTCOPY_RAM_DISCARD len=201"
    discards = "\n".join(line.format(900_000 + 24 * k) for k in range(1, 12))
    with gzip.open(folder / "dest.trace.log.gz", "wt") as file:
        file.write(DESTINATION.format(discards=discards))
    return calibrate([folder])


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_the_destination_are_read_from_its_log(made_destination, name):
    constant = next(item for item in made_destination.constants if item.name == name)
    assert constant.value == STEPS[name] == number_of(made_destination.profile, name)
    assert constant.median == constant.value
    assert constant.low <= constant.value <= constant.high
    assert constant.standard_error is None
    assert constant.note == "one span: no scatter"


PARTS = {
    "multifd-2": {"multifd.open_ns": 9_300_000},
    "xbzrle": {"xbzrle.first_copy_ns": 12_000},
    "postcopy-preempt": {"preempt_channel_ns": 1_900_000, "discard_command_ns": 1_500},
    "cut-same-moment-after": {"postcopy.connect_ns": 4_400_000},
}


@pytest.mark.parametrize("capture", PARTS)
def test_costs_of_a_capability_come_back_from_its_own_captures(tmp_path, capture):
    host = with_numbers(HostProfile.load(), PARTS[capture])
    write_capture(tmp_path / "one", PRECOPY.with_name(capture) / "scenario.json", host)
    write_capture(tmp_path / "two", PRECOPY / "scenario.json", host)
    found = {item.name: item for item in calibrate([tmp_path]).constants}
    for name, value in PARTS[capture].items():
        if name == "discard_command_ns":  # costs of every migration are for plain captures
            assert not found[name].fitted
            continue
        assert found[name].captures == (capture,)
        assert found[name].value == pytest.approx(value, rel=0.02)


def test_the_recorded_destination_takes_its_first_steps_in_microseconds():
    found = {item.name: item for item in calibrate([PRECOPY, POSTCOPY]).constants}
    started = []
    for folder in (PRECOPY, POSTCOPY):
        text = gzip.open(folder / "dest.trace.log.gz", "rt").read()
        before = re.findall(
            r":([\d.]+)Z vmstate_downtime_checkpoint dst-(?:precopy-bh-announced|"
            r"postcopy-bh-cache-invalidated|(?:pre|post)copy-bh-vm-started)\n",
            text,
        )
        started.append(round((float(before[1]) - float(before[0])) * 1e9))
    assert found["landing.start_ns"].value == pytest.approx(sum(started) / 2, abs=1)
    assert found["landing.start_ns"].observations == 2
    assert found["landing.cpu_sync_ns"].observations == 1


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


def test_a_slow_host_is_better_explained_by_its_own_profile(tmp_path):
    slow = with_numbers(HostProfile.load(), {"limiter_wake_ns": 2_400_000, "setup_ns": 60_000_000})
    write_capture(tmp_path / "slow", PRECOPY / "scenario.json", slow)
    found = calibrate([tmp_path])
    (fit,) = found.captures
    assert fit.fitted.explained
    assert not fit.shipped.explained
    assert fit.closer == "fitted" == found.summary["closer"]
    off = {item.measure: item for item in fit.shipped.off}
    assert off["total_time_ms"].real == fit.total_time_ms
    assert off["total_time_ms"].twin == fit.shipped.total_time_ms
    assert "the fitted one is closer" in str(found)


def test_the_fit_is_not_called_better_where_the_shipped_profile_is_the_host(tmp_path):
    write_capture(tmp_path / "same", PRECOPY / "scenario.json", HostProfile.load())
    found = calibrate([tmp_path])
    (fit,) = found.captures
    assert fit.shipped.explained
    assert fit.shipped.error_percent == 0
    assert found.summary["closer"] in ("shipped", "the same")


@pytest.mark.parametrize(
    ("fitted", "verdict"),
    [
        ((5, 1.0, 40), "the same"),
        ((5, 0.5, 40), "fitted"),
        ((6, 1.0, 41), "fitted"),
        ((5, 1.5, 40), "shipped"),
        ((6, 1.5, 40), "neither"),
        ((4, 1.0, 39), "shipped"),
    ],
)
def test_one_profile_is_closer_only_if_it_is_worse_in_nothing(fitted, verdict):
    names = ("explained", "total_time_median_ape_percent", "alike")
    shipped = dict(zip(names, (5, 1.0, 40), strict=True))
    assert closer(dict(zip(names, fitted, strict=True)), shipped) == verdict


def test_json_has_every_part(tmp_path, capsys):
    out = tmp_path / "found.json"
    assert main(["calibrate", str(PRECOPY), "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert {
        "constants", "scatter", "not_identified", "captures", "summary", "unexplained", "profile"
    } <= set(found)  # fmt: skip
    (capture,) = found["captures"]
    assert {"explained", "off", "error_percent", "margin_ms"} <= set(capture["fitted"])
    traced = json.loads((PRECOPY / "result.json").read_text())["query_migrate_source"]
    assert capture["traced_ms"] == traced["total-time"]
    assert capture["fitted"]["traced_error_percent"] == pytest.approx(
        100 * (capture["fitted"]["total_time_ms"] / traced["total-time"] - 1)
    )
    assert HostProfile.from_dict(found["profile"]).fitted_on == (PRECOPY.name,)
    text = capsys.readouterr().out
    assert all(name in text for name in found["not_identified"])
    assert all(len(line) <= 120 for line in text.splitlines()[-20:])


def test_the_end_of_a_precopy_stream_is_told_just_after_the_guest_runs():
    """In QEMU 10.0 and 11.1 SHUT came 0.02 to 0.15 ms after the destination's guest started."""
    host = HostProfile.load()
    steps = host.landing
    runs = steps.device_load_ns + steps.bh_ns + steps.announce_ns + steps.start_ns
    assert runs < host.load_ns < runs + 150_000


def test_steps_of_a_precopy_end_are_read_across_both_logs(tmp_path):
    folder = tmp_path / "path"
    scenario = json.loads((PRECOPY / "scenario.json").read_text())
    scenario["capabilities"] = {"return-path": True}
    (tmp_path / "scenario.json").write_text(json.dumps(scenario))
    host = with_numbers(HostProfile.load(), {"load_ns": 3_210_000})
    write_capture(folder, tmp_path / "scenario.json", host)
    text = gzip.open(folder / "source.trace.log.gz", "rt").read()
    minute = re.search(r"T00:00:([\d.]+)Z vmstate_downtime_checkpoint src-non-iterable", text)
    saved, stamp = float(minute[1]), "1970-01-01T00:00:{:09.6f}Z {}\n"
    lines = [
        (saved - 0.001, "vmstate_downtime_load type=iterable idstr=ram instance_id=0 downtime=1"),
        (saved + 0.0012, "vmstate_downtime_checkpoint dst-precopy-loadvm-completed"),
        (saved + 0.00125, "vmstate_downtime_checkpoint dst-precopy-bh-enter"),
    ]
    with gzip.open(folder / "dest.trace.log.gz", "wt") as file:
        file.writelines(stamp.format(*line) for line in lines)
    found = {item.name: item for item in calibrate([folder]).constants}
    latency = host.link.latency_ns
    assert found["landing.device_load_ns"].value == pytest.approx(1_200_000 - latency, abs=1_000)
    assert found["landing.bh_ns"].value == pytest.approx(50_000, abs=1_000)
    assert not found["landing.announce_ns"].fitted
    assert found["load_ns"].value == pytest.approx(3_210_000, abs=2 * latency)


def test_what_cannot_be_simulated_is_named_and_not_fitted(tmp_path):
    write_capture(tmp_path / "plain", PRECOPY / "scenario.json", HostProfile.load())
    shutil.copytree(PRECOPY, tmp_path / "strange")
    values = json.loads((tmp_path / "strange" / "scenario.json").read_text())
    values["capabilities"] = {"x-colo": True}
    (tmp_path / "strange" / "scenario.json").write_text(json.dumps(values))
    found = calibrate([tmp_path])
    assert dict(found.not_simulated) == {"strange": ("x-colo",)}
    assert found.profile.fitted_on == ("plain",)
    assert "not simulated  strange: x-colo" in str(found)


def test_repeats_that_tell_no_time_are_one_clear_error(tmp_path, capsys):
    shutil.copytree(POSTCOPY, tmp_path / "one")
    repeats = json.loads((POSTCOPY / "repeats.json").read_text())
    repeats[1]["timeline_issued_s"] = ["soon"]
    (tmp_path / "one" / "repeats.json").write_text(json.dumps(repeats))
    assert main(["calibrate", str(tmp_path / "one")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "timeline_issued_s ['soon'] is no list of seconds" in line
