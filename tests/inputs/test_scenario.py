"""Scenarios: both ways through every form, from captures, and refused before any work starts."""

import dataclasses
import json
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings

import migkit
from inputs.strategies import scenarios
from migkit import datasets
from migkit.errors import CaptureError, InputError, ScenarioError, StorageError
from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.host import HostProfile
from migkit.scenario import Scenario
from migkit.scenario.iterables import IterableHandler
from migkit.workloads import HotCold, Uniform
from migkit.workloads.recorded import Callback

SLOW_TO_DRAW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@SLOW_TO_DRAW
@given(scenarios())
def test_roundtrip_dictionary_and_json(scenario):
    values = scenario.to_dict()
    assert Scenario.from_dict(values) == scenario
    assert Scenario.from_dict(json.loads(json.dumps(values))) == scenario
    assert set(values) == {"format", *(item.name for item in dataclasses.fields(Scenario))}


@pytest.mark.parametrize("name", datasets.capture_names())
def test_roundtrip_captures_through_a_file(name, tmp_path):
    scenario = Scenario.from_capture(datasets.capture_folder(name))
    scenario.save(tmp_path / "scenario.json")
    assert Scenario.from_file(tmp_path / "scenario.json") == scenario
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.json"]


@pytest.mark.parametrize("name", datasets.scenario_names())
def test_shipped_scenarios_are_read_and_described(name):
    scenario = Scenario.from_file(datasets.scenario_file(name))
    assert scenario.name == name
    assert scenario.description
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_a_recorded_workload_survives_by_its_file(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("t_ns,page\n0,1\n5,2\n")
    scenario = Scenario.build(memory="1MiB", workload=f"recorded:{trace}")
    assert "t_ns" not in scenario.to_dict()["workload"]
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_capture_is_read_from_its_scenario_file_alone(capture_folder, tmp_path):
    source = capture_folder("postcopy-hot-before") / "scenario.json"
    shutil.copy(source, tmp_path / "scenario.json")
    scenario = Scenario.from_capture(tmp_path)
    assert scenario == Scenario.from_capture(source)
    assert scenario.completion_rule == "before"
    assert set(scenario.capabilities) == {"postcopy-ram", "postcopy-blocktime", "return-path"}
    assert scenario.parameters.max_bandwidth_bytes_per_s == 67108864
    assert [(i.command, i.at_s) for i in scenario.timeline] == [("migrate-start-postcopy", 2.0134)]
    assert isinstance(scenario.workload, HotCold)
    assert (scenario.workload.hot_pages, scenario.workload.generator) == (4000, "xorshift32")
    assert scenario.guest == Guest.of_captures(512 << 20, 1024, 100000)
    assert scenario.observe_for_s is None


def test_a_relay_is_a_link_and_its_end_a_cut(capture_folder):
    scenario = Scenario.from_capture(capture_folder("cut-same-moment-after"))
    # What it is told, times the share that a relay carries which sleeps between pieces.
    assert scenario.link.bandwidth_bytes_per_s == 150_000_000 * scenario.host.relay_percent // 100
    assert 0 < scenario.host.relay_percent < 100
    assert scenario.link.recovery_bandwidth_bytes_per_s == 0
    assert [(item.command, item.side) for item in scenario.timeline] == [
        ("migrate-start-postcopy", "source"),
        ("cut", "source"),
        ("migrate-recover", "dest"),
        ("migrate", "source"),
    ]


def test_build_takes_units_that_people_write():
    scenario = Scenario.build(
        memory="8GiB",
        bandwidth="10Gbit/s",
        downtime_limit="50ms",
        postcopy_bandwidth="1Gbit/s",
        workload="uniform:20000,set=1GiB",
        vcpus=4,
        cpu_per_write="90us",
        accelerator="kvm,dirty-ring-size=4096,initially-set=off",
        rule="before",
        postcopy_at="3s",
        capabilities=["auto-converge"],
        parameters={"cpu-throttle-initial": 30},
        timeline=[{"command": "cut", "at_event": "postcopy_start", "after": "1s"}],
        link_bandwidth="25Gbit/s",
        link_latency="50us",
        iterables=[{"name": "dirty-bitmap", "initial_bytes": 7}],
        seed=5,
        observe_for="1min",
        workload_lead="2s",
    )
    assert scenario.guest.memory_bytes == 8 << 30
    assert (scenario.guest.vcpus, scenario.guest.cpu_ns_per_write) == (4, 90_000)
    assert scenario.accelerator == Accelerator("kvm", 4096, initially_set=False)
    assert scenario.parameters.max_bandwidth_bytes_per_s == 1_250_000_000
    assert scenario.parameters.downtime_limit_ms == 50
    assert scenario.parameters.max_postcopy_bandwidth_bytes_per_s == 125_000_000
    assert scenario.parameters.cpu_throttle_initial_percent == 30
    assert set(scenario.capabilities) == {"auto-converge", "postcopy-ram", "return-path"}
    assert scenario.timeline[0].at_s == 3
    assert scenario.timeline[1].after_s == 1
    assert scenario.link.bandwidth_bytes_per_s == 3_125_000_000
    assert scenario.link.latency_ns == 50_000
    assert scenario.iterables == (IterableHandler("dirty-bitmap", 7),)
    assert scenario.workload == Uniform(rate_pages_per_s=20000, pages=262144, seed=5)
    assert (scenario.observe_for_s, scenario.workload_lead_s) == (60, 2)


def test_the_working_set_holds_data_and_the_rest_what_is_asked():
    spare = Scenario.build(memory="16MiB", workload="uniform:1,pages=100,base=2048")
    half = Scenario.build(memory="16MiB", workload="uniform:1,pages=1", nonzero_percent=50)
    full = Scenario.build(memory="16MiB", workload="uniform:1")
    assert (2048, 100) in spare.guest.ram_blocks[0].nonzero
    assert (0, 2048) in half.guest.ram_blocks[0].nonzero
    assert full.guest.ram_blocks[0].nonzero == ((0, 4096),)


def test_a_share_of_an_idle_guests_memory_holds_data():
    def nonzero(percent: float | None, workload: str = "idle") -> tuple:
        built = Scenario.build(memory="16MiB", workload=workload, nonzero_percent=percent)
        return built.guest.ram_blocks[0].nonzero

    assert nonzero(None) == ((0, 4096),)
    assert (0, 1024) in nonzero(25)
    assert (0, 4096) not in nonzero(0)
    assert (0, 4096) not in nonzero(25)
    assert (2000, 10) in nonzero(25, "idle:0,pages=10,base=2000")


def test_a_seed_in_the_workload_wins():
    assert Scenario.build(workload="uniform:1,seed=9", seed=5).workload.seed == 9
    phases = Scenario.build(workload="phases:uniform:1@1s+uniform:2@1s", seed=5).workload
    assert [phase.workload.seed for phase in phases.phases] == [5, 6]


def test_observation_ends_also_when_a_migration_never_would():
    slow = Scenario.build(memory="8GiB", bandwidth="8MiB/s")
    assert slow.observe_for_s == 30 * 1024
    assert Scenario.build(memory="1MiB").observe_for_s == 60


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"memory": "0"}, "guest memory 0 bytes · allowed multiples of 4096"),
        ({"memory": "4097"}, "guest memory 4097 bytes"),
        ({"memory": "much"}, "memory 'much' · not a number"),
        ({"bandwidth": "-64MiB/s"}, "bandwidth '-64MiB/s' · negative"),
        ({"downtime_limit": "2000001ms"}, "downtime-limit 2000001 · allowed 0..2000000 ms"),
        ({"downtime_limit": "300us"}, "downtime_limit 300us · allowed whole milliseconds"),
        ({"downtime_limit": 300}, "downtime_limit 300 · a unit is missing"),
        (
            {"rule": "afer"},
            "completion rule 'afer' · allowed before or after · did you mean after",
        ),
        ({"workload": "uniform:1,pages=262145"}, "262145 pages from page 0 on · the guest has"),
        ({"workload": "hotcold:1,hot=300000"}, "300000 hot pages · allowed 1..262143"),
        ({"workload": "uniform:-1"}, "rate -1 pages/s"),
        ({"capabilities": ["postcpy-ram"]}, "did you mean postcopy-ram?"),
        ({"capabilities": {"events": 3}}, "capability events 3 · allowed true or false"),
        ({"capabilities": ["xbzrle", "multifd"]}, "xbzrle and multifd · QEMU 10.2.2 refuses"),
        (
            {"capabilities": ["multifd"], "postcopy_at": "1s", "qemu_version": "10.0.2"},
            "multifd and postcopy-ram · QEMU 10.0.2 refuses",
        ),
        ({"parameters": {"max-bandwith": 1}}, "did you mean max-bandwidth?"),
        ({"parameters": {"max-bandwidth": 1}, "bandwidth": 2}, "max-bandwidth 1 · given twice"),
        ({"postcopy_at": "-3s"}, "postcopy_at '-3s' · negative"),
        ({"timeline": [{"command": "cut", "at": "-1s"}]}, "timeline at '-1s' · negative"),
        ({"timeline": [{"command": "cut", "when": 1}]}, "timeline item: when · unknown"),
        ({"timeline": [{"at": "1s"}]}, "timeline item: command · missing"),
        ({"timeline": ["cut"]}, "timeline item 'cut' · not a table"),
        (
            {"timeline": [{"command": "migrate-start-postcopy", "at_s": 1}]},
            "capability postcopy-ram is off",
        ),
        (
            {
                "parameters": {"cpu-throttle-initial": 50},
                "timeline": [
                    {
                        "command": "migrate-set-parameters",
                        "at_s": 1,
                        "arguments": {"max-cpu-throttle": 40},
                    }
                ],
            },
            "max-cpu-throttle 40 · allowed 50..99",
        ),
        ({"link_bandwidth": "10Gb/s"}, "may mean bits or bytes"),
        ({"nonzero_percent": 101}, "nonzero_percent 101 · allowed 0..100"),
        (
            {"nonzero_percent": 30, "workload": "uniform:5"},
            "nonzero_percent 30 · the uniform workload's working set is all of the memory, and "
            "holds data · give it pages=, or leave nonzero_percent out",
        ),
        ({"seed": -1}, "seed -1 · allowed 0.."),
        ({"observe_for": "0s"}, "observe_for_s 0 · allowed over 0 s"),
        ({"qemu_version": "new"}, "QEMU version 'new'"),
        ({"host": "toaster"}, "host profile toaster · not found"),
        ({"name": 7}, "scenario: name 7 · allowed a str"),
        ({"memroy": "1GiB"}, "scenario: memroy · unknown · did you mean memory?"),
        ({"iterables": [{"name": "a", "initial_bytes": 1}] * 2}, "there are two of that name"),
        ({"workload": 3}, "workload 3 · a int, not text"),
        ({"parameters": 3}, "parameters 3 · not a table"),
        ({"timeline": 3}, "timeline 3 · not a list"),
        ({"capabilities": 3}, "capabilities 3 · not a list"),
    ],
)
def test_bad_input_is_refused_in_one_line(values, line):
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        Scenario.build(**values)
    assert str(caught.value).count(" · ") >= 2
    assert "\n" not in str(caught.value)


VALID = Scenario.build(memory="1MiB").to_dict()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], "scenario [] · not a table"),
        ({"format": "migkit scenario 0"}, "format 'migkit scenario 0' · allowed"),
        ({**VALID, "speed": 1}, "scenario: speed · unknown"),
        ({**VALID, "guest": 3}, "TypeError"),
        ({**VALID, "guest": {}}, "KeyError"),
        ({**VALID, "workload": {"kind": "unifrm"}}, "did you mean uniform?"),
        ({**VALID, "workload": {"kind": "uniform", "pags": 1}}, "did you mean pages?"),
        ({**VALID, "link": {"bandwidth": 1}}, "link: bandwidth · unknown"),
        ({**VALID, "timeline": [{"command": "cut"}]}, "no moment given"),
        ({**VALID, "observe_for_s": "long"}, "observe_for_s 'long'"),
        ({**VALID, "workload_lead_s": None}, "workload_lead_s None · allowed 0 or more"),
    ],
)
def test_bad_dictionaries_are_refused(values, line):
    with pytest.raises(InputError, match=re.escape(line)):
        Scenario.from_dict(values)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.toml", "memory = ", "not TOML"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[]", "not a table"),
        ("a.txt", "", "allowed .toml or .json"),
        ("a.toml", "memory = -4096", "memory -4096 · negative"),
        ("a.toml", "memroy = 1", "did you mean memory?"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, text, line):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(line)):
        Scenario.from_file(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        Scenario.from_file(tmp_path / "a.toml")


def test_readers_notes_do_not_reach_the_scenario(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('memory = "1MiB"\n[fitted]\nmemory = "by eye"\n[trace_log]\npid = 1\n')
    assert Scenario.from_file(path).guest.memory_bytes == 1 << 20


def test_nothing_is_written_when_it_cannot_be(tmp_path):
    scenario = Scenario.build(memory="1MiB", workload=Callback(function=lambda a, b: []))
    with pytest.raises(ScenarioError, match="cannot be written to a file"):
        scenario.save(tmp_path / "a.json")
    with pytest.raises(ScenarioError, match=r"allowed \.json"):
        Scenario.build(memory="1MiB").save(tmp_path / "a.toml")
    with pytest.raises(StorageError, match="cannot be written"):
        Scenario.build(memory="1MiB").save(tmp_path / "none" / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "not JSON"),
        ("{}", "not a capture's scenario (KeyError: 'guest')"),
        ("[]", "not a capture's scenario (TypeError"),
    ],
)
def test_what_is_no_capture_is_refused(tmp_path, text, line):
    (tmp_path / "scenario.json").write_text(text)
    with pytest.raises(CaptureError, match=re.escape(line)):
        Scenario.from_capture(tmp_path)
    with pytest.raises(CaptureError, match=r"no readable scenario\.json"):
        Scenario.from_capture(tmp_path / "none")


def test_a_captures_bad_value_is_named(capture_folder, tmp_path):
    values = json.loads((capture_folder("idle") / "scenario.json").read_text())
    values["parameters"]["downtime-limit"] = -1
    (tmp_path / "scenario.json").write_text(json.dumps(values))
    with pytest.raises(CaptureError, match=r"downtime-limit -1 · allowed 0\.\.2000000 ms"):
        Scenario.from_capture(tmp_path)


def test_parts_of_the_wrong_kind_are_named():
    guest = Guest.pc(1 << 20)
    with pytest.raises(ScenarioError, match="scenario: workload 'idle' · allowed a Workload"):
        Scenario(guest=guest, workload="idle")
    with pytest.raises(ScenarioError, match="scenario: timeline with 'cut'"):
        Scenario(guest=guest, timeline=("cut",))
    assert Scenario(guest=guest).link == HostProfile.load().link


def test_what_is_no_scenario_or_host_is_told() -> None:
    with pytest.raises(InputError, match="a str, not a Scenario"):
        migkit.simulate("postcopy-hot")  # type: ignore[call-overload]
    with pytest.raises(InputError, match="host profile 3 · a int, not a name or a path"):
        migkit.simulate(host=3)
