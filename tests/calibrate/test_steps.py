"""The steps of a destination and of single capabilities are read from their own logs."""

import gzip
import json
import re

import pytest

from migkit.calibrate import calibrate
from migkit.calibrate.costs import number_of, with_numbers
from migkit.host import HostProfile
from tests.calibrate.made import POSTCOPY, PRECOPY, write_capture

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
PARTS = {
    "multifd-2": {"multifd.open_ns": 9_300_000},
    "xbzrle": {"xbzrle.first_copy_ns": 12_000},
    "postcopy-preempt": {"preempt_channel_ns": 1_900_000, "discard_command_ns": 1_500},
    "cut-same-moment-after": {"postcopy.connect_ns": 4_400_000},
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
