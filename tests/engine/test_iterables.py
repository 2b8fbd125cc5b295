"""Dirty bitmaps, VFIO devices and the switchover's ack, by hand from QEMU's formats."""

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit.errors import InputError
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.scenario.iterables import DirtyBitmap, IterableHandler, VfioDevice
from migkit.schema import DECISIONS, EVENT_CODES
from tests.engine.test_oracle_equality import assert_equal_recordings

GIB = 1 << 30
MIB = 1 << 20
FRAME = 10  # header and footer of a PART or an END section


def run(*iterables, **values):
    """Run an idle guest of 16 MiB, half of it data; compiled and as specified agree."""
    built = {
        "memory": "16MiB",
        "nonzero_percent": 50,
        "bandwidth": "10MiB/s",
        "observe_for": "20s",
        "iterables": iterables,
        **values,
    }
    plan = make_plan(Scenario.build(**built))
    fast = _engine.run(plan)
    assert_equal_recordings(fast, oracle.run(plan))
    return fast


def sections(recording, handler):
    """Bytes of each section of a handler, frames included."""
    table = recording["sections"]
    code = recording["handlers"].index(handler)
    return table["bytes"][table["handler"] == code].tolist()


# -- dirty bitmaps -------------------------------------------------------------------------------

DISK = DirtyBitmap("b0", "drive0", GIB + 1, dirty=[(0, 1), (GIB, 1)])
"""16385 bits of 64 KiB: chunks of 8192 bits, the third with one bit."""
BITMAPS = {"capabilities": ["dirty-bitmaps"]}


def test_a_bitmap_goes_when_the_guest_stands_still():
    """START in setup, no PART, and all in END: names only where they change.

    ``b0`` and ``drive0`` take 3 and 7 bytes with their lengths. A record has flags, be64 and
    be32: 13 bytes; one with bits be64 and the bits, of which there are 1024 bytes, or 32 for the
    last chunk's only bit. The chunk between is zero. Then COMPLETE and EOS, a byte each.
    """
    outcome = run(DISK, **BITMAPS)
    assert sections(outcome, "dirty-bitmap") == [
        FRAME + (13 + 8 + 1024) + 13 + (13 + 8 + 32) + 1 + 1
    ]
    without = run(**BITMAPS)
    start = 14 + len("dirty-bitmap") + 5 + (1 + 3 + 7 + 4 + 1) + 1
    more = outcome["counters"]["transferred_bytes"] - without["counters"]["transferred_bytes"]
    assert more == start + sections(outcome, "dirty-bitmap")[0]


def test_names_are_left_out_where_the_record_before_has_them():
    """Newest first within a node: a2, a1 of drive0, then b of drive1.

    Setup leaves ``b`` as the last name, so each bitmap of END begins with its name: drive0 and a2,
    a1 alone, drive1 and b; COMPLETE names all three once more.
    """
    disks = [
        DirtyBitmap("a1", "drive0", 65536),
        DirtyBitmap("b", "drive1", 65536),
        DirtyBitmap("a2", "drive0", 65536),
    ]
    outcome = run(*disks, **BITMAPS)
    names = (7 + 3) + 3 + (7 + 2)
    assert sections(outcome, "dirty-bitmap") == [FRAME + (3 * 13 + names) + (3 + names) + 1]


def test_pending_counts_bits_as_bytes_that_can_wait():
    outcome = run(DISK, **BITMAPS)
    estimates = outcome["events"][outcome["events"][:, 1] == 2]
    assert set(estimates[:, 4]) == {16385}
    assert (estimates[:, 2] == estimates[:, 3] + 16385).all()


def test_bitmaps_alone_make_postcopy_possible():
    """RAM ends in the switch, then the bitmap goes in rounds, a chunk at least in each.

    In a round with a budget of 1 MiB/s / 10 nothing holds it up: one PART with all, then END.
    """
    values = {**BITMAPS, "timeline": [{"command": "migrate-start-postcopy", "at": "50ms"}]}
    outcome = run(DISK, **values)
    assert outcome["outcome"] == "completed"
    decisions = [DECISIONS[code] for code in outcome["iterations"]["decision"]]
    assert decisions[-3:] == ["postcopy_start", "iterate", "complete"]
    in_rounds = (13 + 8 + 1024) + 13 + (13 + 8 + 32) + 1
    assert sections(outcome, "dirty-bitmap") == [FRAME + in_rounds, FRAME + 1 + 1]
    assert sections(outcome, "ram")[-2:] == [sections(outcome, "ram")[-2], FRAME + 8]
    assert outcome["counters"]["postcopy_bytes"] == 0


def test_a_full_budget_ends_a_round_after_a_chunk():
    """70 chunks with bits of 1045 bytes at 64 KiB a window: bytes count once they are flushed.

    A flush comes with every 32768 bytes, so two of them exhaust the budget of 6553 bytes: a round
    stops at the first one, in the 32nd chunk.
    """
    disk = DirtyBitmap("b", "d", 70 * 8192 * 512, granularity_bytes=512, dirty=[(0, 70 << 22)])
    values = {**BITMAPS, "timeline": [{"command": "migrate-start-postcopy", "at": "50ms"}],
              "parameters": {"max-postcopy-bandwidth": 65536}}  # fmt: skip
    parts = sections(run(disk, **values), "dirty-bitmap")[:-1]
    assert sum(parts) == 70 * 1045 + len(parts) * (FRAME + 1)
    assert [round((count - FRAME - 1) / 1045) for count in parts] == [32, 31, 7]


# -- VFIO ----------------------------------------------------------------------------------------

GPU = VfioDevice("0000:00:02.0", stop_copy_bytes=5 * MIB, precopy_init_bytes=3 * MIB // 2,
                 config_bytes=256)  # fmt: skip


def test_initial_data_go_by_the_megabyte_and_the_rest_when_it_stops():
    """1.5 MiB in blocks of 1 MiB; at the end 5 MiB in five blocks.

    The third pass estimates nothing while the threshold is still 0, so it asks no device.
    """
    outcome = run(GPU, bandwidth=0)
    first, second = FRAME + 16 + MIB + 8, FRAME + 16 + MIB // 2 + 8
    assert sections(outcome, GPU.name) == [first, second, FRAME + 5 * (16 + MIB) + 8]
    assert outcome["counters"]["vfio_transferred_bytes"] == GPU.stop_copy_bytes + 3 * MIB // 2


def test_what_a_vfio_device_adds_to_the_stream():
    """START with two tags, its sections, and FULL with tag, config space and end."""
    with_it, without = run(GPU, downtime_limit="1s"), run(downtime_limit="1s")
    name = len(GPU.name)
    ram_sections = len(sections(with_it, "ram"))
    ram_alone = (without["events"][:, 1] == 9).sum()
    more = with_it["counters"]["transferred_bytes"] - without["counters"]["transferred_bytes"]
    ram_more = sum(
        with_it["counters"][key] - without["counters"][key]
        for key in ("precopy_bytes", "downtime_bytes")
    )
    start, config = 14 + name + 16 + 5, 14 + name + 8 + 256 + 8 + 5
    frames = (ram_sections - ram_alone) * FRAME
    assert more == start + config + sum(sections(with_it, GPU.name)) + ram_more + frames


def test_only_the_exact_query_knows_what_a_stop_gives_away():
    """Estimate under the threshold, exact over it: the loop asks in every pass and never ends."""
    gpu = VfioDevice("gpu", stop_copy_bytes=GIB)
    outcome = run(gpu, observe_for="3s")
    assert outcome["outcome"] == "active"
    late = outcome["iterations"]["t_ns"] > 2_000_000_000
    exact = outcome["iterations"]["pending_exact_bytes"][late]
    assert (exact >= GIB).all()
    assert (outcome["iterations"]["pending_estimate_bytes"][late] < 4096 * 4).all()
    assert late.sum() > 1000  # it does not sleep


def test_a_query_that_fails_stands_for_100_gib():
    outcome = run(VfioDevice("gpu", 1, query_fails=True), observe_for="1.8s")
    assert outcome["iterations"]["pending_exact_bytes"].max() >= 100 * GIB


def test_a_device_dirties_up_to_its_bound():
    """4 GB/s, but no more than 300 kB at once: that is what each round and the end find."""
    gpu = VfioDevice("gpu", MIB, dirty_rate_bytes_per_s=4 * 10**9, most_dirty_bytes=300_000)
    parts = sections(run(gpu, bandwidth=0), "gpu/vfio")
    assert parts == [FRAME + 16 + 300_000 + 8, FRAME + 2 * 16 + MIB + 300_000 + 8]


def test_a_device_without_precopy_has_no_rounds():
    gpu = VfioDevice("gpu", MIB, precopy=False)
    assert sections(run(gpu), "gpu/vfio") == [FRAME + 16 + MIB + 8]


def test_a_round_overruns_the_budget_by_a_block():
    """A budget of 100 kB, blocks of 1 MiB: RAM first, then the device if there is some left."""
    outcome = run(VfioDevice("gpu", 0, precopy_init_bytes=4 * MIB), bandwidth="1MB/s")
    widest = outcome["windows"]["transferred_bytes"].max()
    assert MIB < widest < MIB + 2 * 131_328 + 100_000


# -- switchover-ack ------------------------------------------------------------------------------

ACK = {"capabilities": ["switchover-ack", "return-path"]}


def completes_at(recording):
    return recording["iterations"]["t_ns"][-1]


def test_without_a_device_that_asks_the_ack_comes_at_once():
    assert completes_at(run(**ACK)) == completes_at(run(capabilities=["return-path"]))


def test_the_source_waits_for_the_ack_without_sleeping():
    """A way back of 2 s: until the ack comes it syncs in every pass, thousands of them."""
    slow = {"link": {"return-latency": "2s"}}
    outcome = run(**ACK, **slow)
    waited = completes_at(outcome) - completes_at(run(capabilities=["return-path"], **slow))
    passes = (outcome["rounds"]["reason"] == 1).sum()
    assert passes / (waited / 1e9) > 3000
    assert completes_at(outcome) > 2_000_000_000


def test_the_ack_of_a_device_follows_its_initial_data():
    """3 MiB behind 8 MiB of RAM: the last word stays in the buffer till the next window's flush.

    That is 100 ms, and the way there and back takes 300 ms.
    """
    values = {**ACK, "link": {"latency": "100ms", "return-latency": "200ms"}}
    gpu = VfioDevice("gpu", 1000, precopy_init_bytes=3 * MIB)
    outcome = run(gpu, **values)
    table = outcome["sections"]
    data = (table["handler"] == 1) & (table["bytes"] > 1000)
    last = table["end_ns"][data][-2]  # the last of all is the final section
    assert 395_000_000 < completes_at(outcome) - last < 405_000_000
    assert completes_at(run(gpu, **{**values, "capabilities": ["return-path"]})) < last + 3e8


@pytest.mark.parametrize(("machine", "waits"), [("pc-i440fx-11.1", False), ("pc-q35-11.0", True)])
def test_types_of_11_1_do_not_wait_where_nobody_asks(machine, waits):
    import dataclasses

    from migkit.host import HostProfile

    host = HostProfile.load()
    named = dataclasses.replace(host.machine, machine_name=machine)
    host = dataclasses.replace(host, machine=named)
    outcome = run(**ACK, host=host, link={"return-latency": "3s"}, qemu_version="11.1.3")
    assert (completes_at(outcome) > 3_000_000_000) == waits


# -- round robin ---------------------------------------------------------------------------------


def test_a_handler_behind_one_that_uses_the_budget_starves():
    """Two devices at 1 MB/s: RAM and the first take all, the second gets what is left over."""
    first = IterableHandler("first", 50 * MIB, chunk_bytes=200_000)
    second = IterableHandler("second", 50 * MIB, chunk_bytes=200_000)
    outcome = run(first, second, bandwidth="1MB/s", observe_for="30s")
    assert len(sections(outcome, "first")) > 100
    assert sections(outcome, "second") == []


def test_sections_add_up_to_what_the_passes_put():
    outcome = run(IterableHandler("one", 4 * MIB, chunk_bytes=10_000), GPU)
    table = outcome["sections"]
    assert table["bytes"].sum() <= outcome["counters"]["transferred_bytes"]
    assert (np.diff(table["t_ns"]) >= 0).all()
    one = sum(sections(outcome, "one")) - FRAME * len(sections(outcome, "one"))
    assert one == 4 * MIB


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: DirtyBitmap("b", "d", 0), "disk_bytes 0 · allowed 1 B..8 PiB"),
        (lambda: DirtyBitmap("b", "d", 9, granularity_bytes=3), "granularity_bytes 3 · allowed"),
        (lambda: DirtyBitmap("b", "d", 9, dirty=[(8, 2)]), r"dirty \(8, 2\) · allowed within"),
        (lambda: VfioDevice("", 1), "VFIO device '' · allowed 1..255 bytes"),
        (lambda: VfioDevice("x", -1), "stop_copy_bytes -1 · allowed"),
        (lambda: Scenario.build(iterables=[DISK]), "capability dirty-bitmaps is off"),
        (lambda: Scenario.build(iterables=[GPU], postcopy_at="1s"), "QEMU refuses: VFIO"),
        (lambda: Scenario.build(iterables=[GPU, GPU]), "there are two of that name"),
        (lambda: Scenario.build(iterables=[DISK, DISK], **BITMAPS), "there are two"),
        (lambda: Scenario.build(iterables=[{"kind": "vfi"}]), "did you mean vfio?"),
        (lambda: Scenario.build(capabilities=["switchover-ack"]), "it needs return-path"),
    ],
)
def test_refused_in_one_line(make, line):
    with pytest.raises(InputError, match=line):
        make()


def test_handlers_are_written_and_read_back():
    scenario = Scenario.build(
        iterables=[
            {"kind": "vfio", "path": "gpu", "stop_copy_bytes": 5},
            {"kind": "dirty-bitmap", "name": "b", "node": "d", "disk_bytes": 9},
            {"name": "htab", "initial_bytes": 7},
        ],
        **BITMAPS,
    )
    assert [item.kind for item in scenario.iterables] == ["vfio", "dirty-bitmap", "generic"]
    assert Scenario.from_dict(scenario.to_dict()) == scenario


@pytest.mark.parametrize("run", [_engine.run, oracle.run], ids=["engine", "oracle"])
def test_a_device_of_a_paused_guest_dirties_nothing(run):
    """The guest was stopped before migrate: what the device has at the end is what it had."""
    device = VfioDevice(
        "vfio", stop_copy_bytes=1 << 20, precopy_init_bytes=1 << 16, dirty_rate_bytes_per_s=1000
    )
    plan = make_plan(
        Scenario.build(
            memory="16MiB", bandwidth="4MiB/s", downtime_limit="2s", runstate="paused",
            iterables=[device],
        )
    )  # fmt: skip
    told = run(plan)["events"]
    exact = told[told[:, 1] == EVENT_CODES["migrate_pending_exact"]]
    assert (exact[:, 2] >= 0).all()
    assert run(plan)["outcome"] == "completed"
