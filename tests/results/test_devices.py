"""The downtime device by device: by hand, conserved, and as recorded."""

from __future__ import annotations

import dataclasses
import json
import lzma
from itertools import pairwise
from pathlib import Path

import pytest

from migkit import Scenario, _engine, datasets, simulate
from migkit.capture import read_trace_log
from migkit.errors import HostProfileError
from migkit.host import HostProfile, MachineProfile
from migkit.host.devices import Device, saved_order
from migkit.plan import make_plan
from migkit.plan.draw import drawn
from migkit.results import Migration
from migkit.stream import read_stream

CAPTURES = HostProfile.load()
TWO = (
    Device("cpu", 100, save_ns=30_000, describe_ns=10_000, load_ns=5_000),
    Device("nic", 300, save_ns=10_000, describe_ns=50_000, load_ns=15_000),
)
POSTCOPY = {
    "bandwidth": "20MiB/s",
    "workload": "uniform:2000,pages=4000",
    "capabilities": ["postcopy-ram"],
    "timeline": [{"command": "migrate-start-postcopy", "at_s": 0.5}],
}


def host(*plugged: Device, own: tuple[Device, ...] = TWO, **costs: int) -> HostProfile:
    """Return the captures' machine with such devices."""
    held = sum(device.bytes for device in own) if own else 400
    machine = dataclasses.replace(CAPTURES.machine, devices=own, device_state_bytes=held)
    return dataclasses.replace(CAPTURES, machine=machine, devices=plugged, **costs)


def migrated(profile: HostProfile, **values: object) -> Migration:
    """Migrate an idle guest of 64 MiB at half of what the link carries, with a return path."""
    common = {
        "memory": "64MiB",
        "bandwidth": "50MiB/s",
        "link": {"bandwidth": "100MiB/s"},
        "downtime_limit": "1ms",
        "capabilities": ["return-path"],
    }
    built = Scenario.build(**{**common, **values})
    return simulate(dataclasses.replace(built, host=profile))


def marks(run: Migration) -> dict[str, int]:
    """Return the checkpoints and their times."""
    return dict(zip(run.downtime["checkpoint"], run.downtime["t_ns"], strict=True))


def spans(run: Migration, side: str = "source") -> dict[str, int]:
    """Return what each device that wrote something took, nanoseconds."""
    switchover = run.source._switchover
    times = switchover.saved if side == "source" else switchover.loaded
    return {t.device.idstr: t.end_ns - t.begin_ns for t in times if not t.iterable}


def test_devices_split_the_step_in_proportion() -> None:
    """40 of 100 parts of 200 us and 60: 80 and 120 us, one after the other from the checkpoint."""
    run = migrated(host(device_state_ns=200_000))
    at = marks(run)["src-iterable-saved"]
    sections = run.sections.set_index("handler").loc[["cpu", "nic"]]
    assert sections["t_ns"].tolist() == [at, at + 80_000]
    assert sections["end_ns"].tolist() == [at + 80_000, at + 200_000]
    assert sections["bytes"].tolist() == [100, 300]
    assert sections["pass"].nunique() == 1
    saved = run.events_of("vmstate_downtime_save")
    assert saved["idstr"].tolist()[-2:] == ["cpu", "nic"]
    assert set(saved["type"].tolist()[-2:]) == {"non-iterable"}
    # 900 us there, 5 of 20 parts and 15, behind the bytes they waited for.
    wait = marks(run)["dst-precopy-loadvm-completed"] - 900_000
    wait -= run.source.recording["devices_arrive_ns"]
    loaded = spans(run, "dest")
    tail = 1 + CAPTURES.machine.vmdesc_bytes
    assert loaded["cpu"] == 225_000 + 100 * wait // (400 + tail)
    assert loaded["cpu"] + loaded["nic"] == 900_000 + 400 * wait // (400 + tail)


def test_a_package_holds_no_descriptions() -> None:
    """30 of 40 parts of 80 us and 10: 60 and 20 us, up to the checkpoint."""
    run = migrated(host(package_ns=80_000), **POSTCOPY)
    saved = marks(run)["src-non-iterable-saved"]
    sections = run.sections.set_index("handler").loc[["cpu", "nic"]]
    assert sections["t_ns"].tolist() == [saved - 80_000, saved - 20_000]
    assert sections["end_ns"].tolist() == [saved - 20_000, saved]
    # There: 900 us, of which a quarter and three quarters, just before the bottom half.
    entered = marks(run)["dst-postcopy-bh-enter"]
    loads = run.source._switchover.loaded
    assert [load.end_ns - load.begin_ns for load in loads] == [225_000, 675_000]
    assert loads[-1].end_ns == entered - CAPTURES.landing.bh_ns
    assert set(run.device_downtime()["type"]) == {"non-iterable"}


def test_a_plugged_device_makes_the_blackout_longer_by_its_times_and_its_link() -> None:
    """Saving 2 + 1 ms and loading 3; 8 MiB over 100 MiB/s are 80.

    That link is still busy with the last burst when devices are saved, which costs nothing then.
    """
    gpu = Device("0000:00:05.0/vfio", 8 << 20, save_ns=2_000_000, describe_ns=1_000_000,
                 load_ns=3_000_000)  # fmt: skip
    for values, grown in (({"link": {}}, 6), ({}, 83)):
        plain, more = (migrated(host(*devices), **values) for devices in ((), (gpu,)))
        assert plain.blackout_ms is not None
        assert more.blackout_ms == pytest.approx(plain.blackout_ms + grown, abs=0.01)
        assert spans(more)["0000:00:05.0/vfio"] == 3_000_000
        there = 3_000_000 + (80_000_000 if grown > 6 else 0)
        assert spans(more, "dest")["0000:00:05.0/vfio"] == pytest.approx(there, abs=50_000)
        for side in ("source", "dest"):
            for name in ("cpu", "nic"):
                took = [spans(run, side)[name] for run in (plain, more)]
                assert took[1] == pytest.approx(took[0], abs=20_000)
        sent = [run.counters["transferred_bytes"] for run in (plain, more)]
        assert sent[1] == sent[0] + (8 << 20)
        assert more.counters["precopy_bytes"] == plain.counters["precopy_bytes"]


def test_a_plugged_device_counts_twice_in_a_package_and_its_description_never() -> None:
    """The memory file counts, then the stream (qemu-file.c); no JSON follows a package."""
    nic = Device("0000:00:02.0/virtio-net", 5_000, save_ns=50_000, vmdesc_bytes=2_000)
    for values, grown in (({}, 7_000), (POSTCOPY, 10_000)):
        plain, more = (migrated(host(*devices), **values) for devices in ((), (nic,)))
        sent = [run.counters["transferred_bytes"] for run in (plain, more)]
        pages = [run.counters[kind] for run in (plain, more) for kind in ("normal_pages",)]
        if pages[0] == pages[1]:
            assert sent[1] - sent[0] == grown
        packages = [run.counters["package_bytes"] for run in (plain, more)]
        assert packages[1] - packages[0] == (5_000 if values else 0)


def test_an_early_device_is_saved_at_setup_and_not_in_the_downtime() -> None:
    """virtio-mem: its bytes stand before RAM, its time delays the start."""
    memory = Device("virtio-mem", 700, save_ns=400_000, early=True, priority="virtio-mem")
    plain, early = migrated(host()), migrated(host(memory))
    assert early.counters["transferred_bytes"] == plain.counters["transferred_bytes"] + 700
    assert early.blackout_ms == plain.blackout_ms
    assert spans(early) == spans(plain)
    started = [run.iterations["t_ns"].iloc[0] for run in (plain, early)]
    assert started[1] == started[0] + 400_000


@pytest.mark.parametrize("version", ["10.0", "10.2"])
def test_the_order_is_that_of_a_recorded_stream(version: str) -> None:
    """10.2 puts the apic first, 10.0 where it joined; and the bytes are the profile's."""
    folder = datasets.stream_folder(f"{version}-tcp")
    records = read_stream(
        lzma.decompress((folder / "channel-0-to-destination.xz").read_bytes())
    ).records
    full = records[records["kind"] == "full"]
    ordered = saved_order(CAPTURES.machine.devices, (), apic_first=version == "10.2")
    wrote = [device for device in ordered if device.bytes]
    assert [device.idstr for device in wrote] == full["name"].tolist()
    assert [device.instance_id for device in wrote] == full["instance_id"].tolist()
    if version == "10.2":
        assert [device.bytes for device in wrote] == full["bytes"].tolist()
        joined = [device.idstr for device in CAPTURES.machine.devices]
        for row in full.itertuples():  # an id is the place at which its device joined
            assert joined[row.section_id] == row.name


@pytest.mark.parametrize("name", ["idle", "precopy-hot-after", "postcopy-uniform-after"])
def test_a_twin_names_what_was_recorded_and_what_takes_longest(name: str) -> None:
    """The same lines in the same order on both sides; the same devices at the top."""
    real = datasets.load_capture(name)
    twin = simulate(Scenario.from_capture(datasets.capture_folder(name)))
    keys = ["type", "idstr", "instance_id"]
    for event in ("vmstate_downtime_save", "vmstate_downtime_load"):
        rows = [run.events_of(event) for run in (real, twin)]
        told = [frame[frame["idstr"] != "ram"][keys].to_numpy().tolist() for frame in rows]
        assert told[0] == told[1]
    recorded, simulated = (
        run.sections[run.sections["handler"] != "ram"]["handler"].tolist() for run in (real, twin)
    )
    assert recorded == simulated
    for column in ("save_us", "load_us"):
        frames = [run.device_downtime() for run in (real, twin)]
        frames = [frame[frame["type"] == "non-iterable"] for frame in frames]
        top = [set(frame.nlargest(5, column)["idstr"]) for frame in frames]
        assert len(top[0] & top[1]) >= 3
        assert frames[1][column].sum() == pytest.approx(frames[0][column].sum(), rel=0.5)


def test_nothing_is_lost_between_the_checkpoints() -> None:
    """Each device begins where another ended; together they are the step, noise or none."""
    built = Scenario.build(
        memory="64MiB", bandwidth="100MiB/s", contention={"source_percent": 173},
        capabilities=["return-path"],
    )  # fmt: skip
    for replicate in range(4):
        asked = drawn(built, replicate)
        run = Migration.from_recording(_engine.run(make_plan(built, replicate)), asked)
        at = marks(run)
        times = run.source._switchover.saved
        step_ns = asked.host.device_state_ns * 173 // 100
        assert times[0].begin_ns == at["src-iterable-saved"]
        assert all(one.end_ns == two.begin_ns for one, two in pairwise(times))
        assert times[-1].end_ns - times[0].begin_ns == step_ns
        assert times[-1].end_ns <= at["src-non-iterable-saved"]
        told_us = run.events_of("vmstate_downtime_save").query("type == 'non-iterable'")
        assert abs(told_us["downtime"].sum() - step_ns / 1000) <= 1
        loads = [t for t in run.source._switchover.loaded if not t.iterable]
        assert sum(t.end_ns - t.begin_ns for t in loads) >= asked.host.landing.device_load_ns
        assert loads[-1].end_ns <= at["dst-precopy-loadvm-completed"]


def test_a_busy_source_takes_twice_as_long_for_each() -> None:
    """Contention stretches own and plugged devices alike."""
    nic = Device("nic2", 400, save_ns=50_000)
    calm = migrated(host(nic))
    busy = migrated(host(nic), contention={"source_percent": 200})
    for name, took in spans(calm).items():
        assert spans(busy)[name] == 2 * took


def test_a_profile_without_a_list_has_one_device_and_records_the_same() -> None:
    """Old profile files: 12 924 bytes, one row; the numbers do not know the list."""
    old = CAPTURES.to_dict()
    del old["machine"]["devices"], old["devices"]
    one, many = migrated(HostProfile.from_dict(old)), migrated(CAPTURES)
    assert one.summary == many.summary
    assert one.downtime.equals(many.downtime)
    rows = one.sections[one.sections["handler"] != "ram"]
    assert rows["handler"].tolist() == ["devices"]
    assert rows["bytes"].sum() == many.sections["bytes"].sum() == 12_924
    assert rows["end_ns"].iloc[0] == many.sections["end_ns"].iloc[-1]


def test_a_vfio_device_is_among_iterables_and_devices() -> None:
    """Its config space is saved with the devices: name, frame and tags around 256 bytes."""
    vfio = {"kind": "vfio", "path": "0000:01:00.0", "stop_copy_bytes": 1 << 20,
            "config_bytes": 256}  # fmt: skip
    run = migrated(host(), iterables=[vfio], downtime_limit="300ms")
    name = "0000:01:00.0/vfio"
    rows = run.sections[run.sections["handler"] == name]
    assert rows["bytes"].iloc[-1] >= 256 + 19 + len(name)
    saved = run.events_of("vmstate_downtime_save")
    kinds = saved[saved["idstr"] == name]["type"].tolist()
    assert kinds == ["iterable", "non-iterable"]
    ends = run.events_of("savevm_section_end")
    assert len(ends[ends["id"] == name])


def test_plugged_devices_and_versions_as_real_machines_told_it() -> None:
    """Seen with two netdevs, virtio-net and e1000 in QEMU 10.0.13 and 11.1.3.

    Plugged devices come before acpi_build; 10.0 has no line for dirty-bitmap among the
    iterables, for it has nothing to complete there.
    """
    nics = (Device("0000:00:02.0/virtio-net", 46_207), Device("0000:00:03.0/e1000", 198_822))
    for version, iterables, first in (
        ("10.0.13", ["ram"], "timer"),
        ("11.1.3", ["ram", "dirty-bitmap"], "apic"),
    ):
        profile = dataclasses.replace(CAPTURES, devices=nics)
        saved = migrated(profile, qemu_version=version).events_of("vmstate_downtime_save")
        assert saved["idstr"].tolist()[: len(iterables)] == iterables
        assert saved["idstr"].tolist()[len(iterables)] == first
        last = ["0000:00:02.0/virtio-net", "0000:00:03.0/e1000", "acpi_build", "globalstate"]
        assert saved["idstr"].tolist()[-5:] == ["smbus-eeprom", *last]


def test_a_migration_that_ends_before_has_no_devices() -> None:
    """Cancelled on the way: nothing saved, nothing loaded, one side."""
    run = migrated(CAPTURES, bandwidth="5MiB/s",
                   timeline=[{"command": "migrate_cancel", "at_s": 0.5}])  # fmt: skip
    assert run.device_downtime().empty
    assert set(run.sections["handler"]) == {"ram"}
    assert set(run.source.logs) == {"source"}


def test_the_destinations_log_reads_back_and_is_stored(tmp_path: Path) -> None:
    """What a simulated destination logs is read as a recorded one's; folders keep it."""
    run = migrated(CAPTURES)
    path = tmp_path / "dest.log"
    path.write_text(run.to_trace_log(side="dest"))
    again = read_trace_log(path, "dest")
    own = run.events[run.events["side"] == "dest"]
    assert again.events["arguments"].tolist() == own["arguments"].tolist()
    run.to_parquet(tmp_path / "stored")
    stored = Migration.load(tmp_path / "stored")
    assert stored.device_downtime().equals(run.device_downtime())
    assert stored.sections.equals(run.sections)


def test_a_list_in_a_file_is_the_list(tmp_path: Path) -> None:
    """A profile's JSON with a device of one's own, and back."""
    values = CAPTURES.to_dict()
    values["devices"] = [{"idstr": "gpu", "bytes": 1 << 20, "load_ns": 7}]
    (tmp_path / "own.json").write_text(json.dumps(values))
    read = HostProfile.load(tmp_path / "own.json")
    assert read.devices == (Device("gpu", 1 << 20, load_ns=7),)
    assert read.to_dict() == values
    assert HostProfile.from_dict(read.to_dict()) == read
    scenario = dataclasses.replace(Scenario.build(memory="64MiB"), host=read)
    assert Scenario.from_dict(scenario.to_dict()) == scenario


REFUSED = [
    ({"devices": 3}, "devices 3 · not a list"),
    ({"devices": [3]}, "devices 3 · not a table"),
    ({"devices": [{"idstr": "x"}]}, "devices: bytes · missing"),
    ({"devices": [{"idstr": "x", "bytes": 40, "save_us": 1}]}, "devices: save_us · unknown"),
    ({"devices": [{"idstr": "", "bytes": 40}]}, "device '' · allowed a name of 1..255 bytes"),
    ({"devices": [{"idstr": "x", "bytes": -1}]}, "device x: bytes -1 · allowed whole numbers"),
    ({"devices": [{"idstr": "x", "bytes": 19}]}, "device x: bytes 19 · allowed 0, or 20 or more"),
    ({"devices": [{"idstr": "x", "bytes": 40, "priority": "apc"}]}, "did you mean apic?"),
    ({"devices": [{"idstr": "x", "bytes": 40, "early": 1}]}, "device x: early 1 · allowed true"),
    ({"devices": [{"idstr": "cpu", "bytes": 40}]}, "devices: cpu instance_id 0 · there twice"),
]


@pytest.mark.parametrize(("changes", "line"), REFUSED)
def test_a_wrong_list_is_refused_in_one_line(changes: dict[str, object], line: str) -> None:
    with pytest.raises(HostProfileError) as caught:
        HostProfile.from_dict({**CAPTURES.to_dict(), **changes})
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_gives_another_sum_is_refused() -> None:
    with pytest.raises(HostProfileError, match="12924 · its devices hold 400 bytes"):
        MachineProfile("pc", 12_924, 0, devices=TWO)
