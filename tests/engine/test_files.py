"""A file as target: QEMU's own numbers to the byte, places in the file, the disk behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from migkit import _engine, oracle
from migkit.guest import Guest
from migkit.guest.ram_block import RamBlock
from migkit.host import HostProfile, MachineProfile
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from tests.engine.strategies import plans

MIB = 1 << 20
PAGE_BYTES = 4096
ENGINES = pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
Run = Callable[[Plan], dict[str, Any]]

# Sizes of device state and of the JSON description with its header.
NONE = MachineProfile("none", 182, 828)
PC_10_0 = MachineProfile("pc-i440fx-10.0", 12857, 98923)


def scenario(machine: MachineProfile, guest: Guest, **values: Any) -> Scenario:
    """Return a migration of that guest into a file."""
    host = dataclasses.replace(HostProfile.load(), machine=machine)
    written = {"transport": "file", "observe_for": "20s", "host": host, **values}
    return dataclasses.replace(Scenario.build(memory=guest.memory_bytes, **written), guest=guest)


def one_block(name: str, data_pages: int) -> Guest:
    """Return a guest of one block of 64 MiB whose first pages hold data."""
    extents = ((0, data_pages),) if data_pages else ()
    return Guest(64 * MIB, (RamBlock(name, 64 * MIB, extents),))


def setup_bytes(recording: dict[str, Any]) -> int:
    """Return what was written before the first pass."""
    in_passes = int(recording["iterations"]["transferred_bytes"].sum())
    return recording["counters"]["transferred_bytes"] - in_passes


@ENGINES
def test_golden_prelaunch_vm_into_a_file(run: Run) -> None:
    """A VM that does not run has all its RAM bytes in downtime-bytes; 10 ms give 118.8632."""
    wanted = scenario(NONE, one_block("ram", 0), runstate="prelaunch")
    costs = dataclasses.replace(wanted.host, zero_page_ns=530, clock_phase_ns=0)
    recording = run(make_plan(dataclasses.replace(wanted, host=costs)))
    counters = recording["counters"]
    assert counters["transferred_bytes"] == 148579
    assert counters["downtime_bytes"] == 147468
    assert counters["precopy_bytes"] == 0
    assert counters["duplicate_pages"] == 16384
    assert counters["normal_pages"] == 0
    assert counters["dirty_sync_count"] == 2
    assert setup_bytes(recording) == 62
    assert counters["total_time_ms"] - counters["setup_time_ms"] == 10
    assert counters["mbps"] == pytest.approx(118.8632, abs=1e-9)
    assert counters["file_bytes"] == 148579
    assert recording["destination_state"] == "none"


@ENGINES
@pytest.mark.parametrize(
    ("bandwidth", "transferred", "precopy", "downtime", "file_bytes"),
    [
        (128 * MIB, 50335108, 26845200, 23488512, 68158724),
        (20 * MIB, 50335522, 50331848, 2048, 68159138),
    ],
)
def test_golden_mapped_ram(
    run: Run, bandwidth: int, transferred: int, precopy: int, downtime: int, file_bytes: int
) -> None:
    """48 MiB of data, 16 MiB of zeros: pages and bitmap only, no record headers."""
    wanted = scenario(
        NONE, one_block("m0", 12288), capabilities=["mapped-ram"], bandwidth=bandwidth
    )
    recording = run(make_plan(wanted))
    counters = recording["counters"]
    passes = len(recording["iterations"]["t_ns"]) - 1
    assert setup_bytes(recording) == 136
    assert counters["transferred_bytes"] == transferred
    assert counters["precopy_bytes"] == precopy
    assert counters["downtime_bytes"] == downtime
    assert precopy + downtime == 50331648 + 2048 + 8 * passes
    assert counters["file_bytes"] == file_bytes
    assert counters["file_pages"] == counters["normal_pages"] == 12288
    assert counters["duplicate_pages"] == 4096
    assert counters["file_rewritten_pages"] == 0
    assert counters["dirty_sync_count"] == 3


@ENGINES
def test_golden_mapped_ram_through_channels(run: Run) -> None:
    """multifd: the channels write pages only; header, bitmap and marks go the main way."""
    capabilities = ["mapped-ram", "multifd"]
    wanted = scenario(NONE, one_block("m0", 12288), capabilities=capabilities, bandwidth="20MiB/s")
    recording = run(make_plan(wanted))
    counters = recording["counters"]
    passes = len(recording["iterations"]["t_ns"]) - 1
    assert counters["multifd_bytes"] == 50331648
    assert counters["precopy_bytes"] + counters["downtime_bytes"] == 2048 + 8 * passes
    # 50335342 with the 15 passes of QEMU 10.0.13 and 11.1.3.
    assert counters["transferred_bytes"] == 50335342 + 18 * (passes - 15)
    assert counters["file_bytes"] == 68158958 + 18 * (passes - 15)
    assert counters["file_pages"] == counters["normal_pages"] == 12288
    assert counters["duplicate_pages"] == 4096


@ENGINES
def test_direct_io_waits_for_the_disk(run: Run) -> None:
    """O_DIRECT goes past the page cache: with room for all in it, only that waits."""
    guest = Guest(16 * MIB, (RamBlock("ram", 16 * MIB, ((0, 4096),)),))
    values = {
        "bandwidth": 0,
        "disk_bandwidth": "10MiB/s",
        "disk_cache": "64MiB",
        "runstate": "paused",
        "capabilities": ["mapped-ram", "multifd"],
    }
    cached = run(make_plan(scenario(NONE, guest, **values)))["counters"]
    direct = run(make_plan(scenario(NONE, guest, parameters={"direct-io": True}, **values)))
    assert cached["total_time_ms"] < 100
    assert direct["counters"]["total_time_ms"] == pytest.approx(1600, abs=30)


@ENGINES
@pytest.mark.parametrize(
    ("capabilities", "transferred", "precopy", "downtime"),
    [([], 888111, 767036, 8215), (["mapped-ram"], 851116, 729096, 8744)],
)
def test_counters_of_small_recorded_files(
    run: Run, capabilities: list[str], transferred: int, precopy: int, downtime: int
) -> None:
    """QEMU 10.2.2, pc of 16 MiB: 178 pages of data in one pass, two of them again at the end."""
    guest = Guest.pc(16 * MIB, always_dirty_pages=(1024, 1025))
    known = sum(block.nonzero_pages for block in guest.ram_blocks)
    guest = guest.with_nonzero(1024, 178 - known)
    machine = HostProfile.load().machine
    counters = run(make_plan(scenario(machine, guest, capabilities=capabilities)))["counters"]
    assert counters["normal_pages"] == 180
    assert counters["duplicate_pages"] == 4048
    assert counters["precopy_bytes"] == precopy
    assert counters["downtime_bytes"] == downtime
    assert counters["transferred_bytes"] == transferred
    assert counters["dirty_sync_count"] == 2
    rewritten = 2 if capabilities else 0
    assert counters["file_rewritten_pages"] == rewritten


@ENGINES
def test_shared_memory_stays_behind(run: Run) -> None:
    """QEMU 10.0.13, pc, memory share=on: only the firmware goes, each block with its address."""
    blocks = (
        RamBlock("m0", 64 * MIB, ((0, 12288),), shared=True),
        RamBlock("/rom@etc/acpi/tables", 32 * PAGE_BYTES, ((0, 3),)),
        RamBlock("pc.bios", 64 * PAGE_BYTES, ((0, 46),)),
        RamBlock("pc.rom", 32 * PAGE_BYTES),
        RamBlock("/rom@etc/table-loader", PAGE_BYTES, ((0, 1),)),
        RamBlock("/rom@etc/acpi/rsdp", PAGE_BYTES, ((0, 1),)),
    )
    wanted = scenario(
        PC_10_0,
        Guest(64 * MIB, blocks),
        runstate="prelaunch",
        transport="file,offset=4096",
        capabilities=["x-ignore-shared"],
        qemu_version="10.0.13",
    )
    counters = run(make_plan(wanted))["counters"]
    assert counters["transferred_bytes"] == 322408
    assert counters["downtime_bytes"] == 210100
    assert counters["normal_pages"] == 51
    assert counters["duplicate_pages"] == 79
    assert counters["total_bytes"] == 532480
    assert counters["file_bytes"] == 326504


@ENGINES
def test_writes_wait_for_the_disk_once_the_cache_is_full(run: Run) -> None:
    """16 MiB of data, 4 MiB of cache, 10 MiB/s: 12 MiB have to wait, 1.2 s."""
    guest = Guest(16 * MIB, (RamBlock("ram", 16 * MIB, ((0, 4096),)),))
    values = {"bandwidth": 0, "disk_bandwidth": "10MiB/s", "runstate": "paused"}
    slow = run(make_plan(scenario(NONE, guest, disk_cache="4MiB", **values)))["counters"]
    fast = run(make_plan(scenario(NONE, guest, disk_cache="64MiB", **values)))["counters"]
    assert slow["total_time_ms"] == pytest.approx(1200, abs=15)
    assert fast["total_time_ms"] < 60


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_a_file_holds_what_was_written_into_it(plan: Plan) -> None:
    """Pages in place = pages written less those written again; a stream is its bytes."""
    counters = _engine.run(plan)["counters"]
    if plan.target is None:
        assert counters["file_bytes"] == counters["file_pages"] == 0
        return
    written = counters["transferred_bytes"] - counters["snapshot_buffer_bytes"]
    if not plan.target.mapped_ram:
        assert counters["file_bytes"] == plan.target.offset_bytes + written
        return
    if counters["status"] == "completed":
        first_written = counters["normal_pages"] - counters["file_rewritten_pages"]
        assert counters["file_pages"] == first_written
        pages = sum(plan.block_pages)
        assert counters["file_bytes"] > plan.target.offset_bytes + pages * PAGE_BYTES
