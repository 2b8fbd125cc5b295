"""multifd: packets, counters and syncs to the byte; channels, links, methods."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from migkit import _engine, datasets, oracle
from migkit.compression import cost_of, levels_of
from migkit.errors import HostProfileError, InputError
from migkit.host.multifd_costs import MultifdCosts
from migkit.network.link import Link
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES
from tests.engine.strategies import plans
from tests.engine.test_golden_bytes import ENGINES, Run, bare_machine

PACKET = 1344 + 128 * 4096
LEGACY = 1  # zero-page-detection
NO_RACE = MultifdCosts(contention_permille=())


def bare(parameters: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The golden run's machine: 48 MiB of data, 16 MiB of zeros; one pass and the end."""
    scenario = Scenario.build(
        memory="64MiB",
        capabilities=changes.pop("capabilities", ["multifd"]),
        parameters={"downtime-limit": 2000, **(parameters or {})},
        multifd_flush_after_each_section=changes.pop("each_section", False),
    )
    host = dataclasses.replace(scenario.host, multifd=changes.pop("costs", NO_RACE))
    plan = make_plan(dataclasses.replace(scenario, host=host))
    return bare_machine(multifd=plan.multifd, max_bandwidth_bytes_per_s=134217728,
                        downtime_limit_ms=2000, postcopy_ram=plan.postcopy_ram,
                        device_state_bytes=182, vmdesc_bytes=828,
                        zero_page_detection=plan.zero_page_detection, **changes)  # fmt: skip


def captured(name: str) -> Plan:
    """The scenario of a capture, with threads that never wait for a processor."""
    scenario = Scenario.from_capture(datasets.capture_folder(name))
    costs = dataclasses.replace(scenario.host.multifd, contention_permille=())
    host = dataclasses.replace(scenario.host, multifd=costs)
    return make_plan(dataclasses.replace(scenario, host=host))


def syncs(recording: dict[str, Any]) -> list[int]:
    """Packets made when each sync was over."""
    events = recording["events"]
    rows = events[events[:, 1] == EVENT_CODES["multifd_send_sync_main"]]
    packets: list[int] = rows[:, 2].tolist()
    return packets


@ENGINES
def test_golden_multifd_run(run: Run) -> None:
    """Two channels: 128 packets, a SYNC on each at setup and at the wrap, and no other bytes."""
    recording = run(bare())
    counters = recording["counters"]
    assert counters["multifd_bytes"] == 50509184 == 2 * 64 + 96 * PACKET + 32 * 1344 + 4 * 1344
    assert counters["transferred_bytes"] == 50510318
    assert counters["transferred_bytes"] - counters["multifd_bytes"] == 1134
    assert (counters["precopy_bytes"], counters["downtime_bytes"]) == (8, 0)
    assert (counters["normal_pages"], counters["duplicate_pages"]) == (12288, 4096)
    assert syncs(recording) == [2, 2 + 128 + 2]


@ENGINES
def test_golden_sync_of_each_section_with_zero_pages_on_the_main_stream(run: Run) -> None:
    """Machine types up to 8.0: three syncs, no MULTIFD_FLUSH word, 9 bytes for a page of zeros."""
    recording = run(bare({"zero-page-detection": "legacy"}, each_section=True))
    counters = recording["counters"]
    assert len(syncs(recording)) == 3
    # The first section ends with a page in the batch, which the sync sends: 97 packets.
    assert counters["multifd_bytes"] == 2 * 64 + 96 * PACKET + 1344 + 3 * 2 * 1344
    assert counters["precopy_bytes"] + counters["downtime_bytes"] == 4096 * 9 + 3 + 8
    main = counters["transferred_bytes"] - counters["multifd_bytes"]
    assert main == 1134 - 2 * 8 + 4096 * 9 + 3


@ENGINES
@pytest.mark.parametrize(
    ("capture", "first", "later"),
    [
        ("multifd-2", 8045722, 7884498),
        ("multifd-4-legacy-zero", 8950493, 8935762),
        ("multifd-zstd", 8045904, 7884678),
    ],
)
def test_golden_windows_hold_what_crosses_the_limit_and_a_packet_a_channel(
    run: Run, capture: str, first: int, later: int
) -> None:
    """n packets exceed the budget; as many as there are channels are on their way by then."""
    plan = dataclasses.replace(captured(capture), observe_ns=1_000_000_000)
    windows = run(plan)["windows"]["transferred_bytes"].tolist()
    assert windows[0] == first
    assert set(windows[1:]) == {later}


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_a_window_holds_one_packet_a_channel_more(channels: int) -> None:
    """Also for other numbers of channels, when a link lets one packet out after the other."""
    scenario = Scenario.build(
        memory="256MiB", capabilities=["multifd"], nonzero_percent=100, bandwidth="64MiB/s",
        parameters={"multifd-channels": channels}, link_bandwidth="40Gbit/s", observe_for="1s",
    )  # fmt: skip
    costs = dataclasses.replace(NO_RACE, send_buffer_bytes=0)
    host = dataclasses.replace(scenario.host, multifd=costs)
    windows = _engine.run(make_plan(dataclasses.replace(scenario, host=host)))["windows"]
    assert set(windows["transferred_bytes"][1:].tolist()) == {(13 + channels) * PACKET + 18}


def test_late_threads_find_more_channels_idle() -> None:
    """The race costs packets, never more than the channels, and is another with another seed."""
    scenario = Scenario.from_capture(datasets.capture_folder("multifd-4-legacy-zero"))
    scenario = dataclasses.replace(scenario, observe_for_s=2.0)
    held = []
    for seed in (1, 2):
        plan = make_plan(dataclasses.replace(scenario, seed=seed))
        windows = _engine.run(plan)["windows"]["transferred_bytes"][1:]
        held.append(((windows - 18) / PACKET).tolist())
    packets = np.array(held)
    assert set(np.unique(packets)) <= {13, 14, 15, 16, 17}
    assert 15.0 < packets.mean() < 17.0
    assert held[0] != held[1]


@ENGINES
@pytest.mark.parametrize(("copied", "missed"), [(True, 2), (False, 0)])
def test_zero_copy_is_missed_where_the_kernel_copies(run: Run, copied: bool, missed: int) -> None:
    """Once a channel and sync that had data; the bytes are the same."""
    costs = dataclasses.replace(NO_RACE, zero_copy_copied=copied)
    plan = bare(capabilities=["multifd", "zero-copy-send"], costs=costs)
    counters = run(plan)["counters"]
    assert counters["dirty_sync_missed_zero_copy"] == missed
    assert counters["multifd_bytes"] == 50509184


@pytest.mark.parametrize(
    ("method", "more"), [("zstd", 12), ("zlib", 165), ("qpl", 512), ("uadk", 512)]
)
def test_data_that_does_not_shrink_costs_more(method: str, more: int) -> None:
    """zstd: 3 bytes per 128 KiB; zlib: 5 a stored block; qpl and uadk: 4 a page in the table."""
    counters = _engine.run(bare({"multifd-compression": method}))["counters"]
    assert counters["multifd_bytes"] == 50509184 + 96 * more
    assert counters["normal_pages"] == 12288


def test_detection_none_sends_pages_of_zeros_as_data() -> None:
    counters = _engine.run(bare({"zero-page-detection": "none"}))["counters"]
    assert (counters["normal_pages"], counters["duplicate_pages"]) == (16384, 0)
    assert counters["multifd_bytes"] == 2 * 64 + 128 * PACKET + 4 * 1344


@ENGINES
@pytest.mark.parametrize(("method", "least", "most"), [("zlib", 1040, 1062), ("zstd", 1028, 1033)])
def test_pages_shrink_to_the_data_in_them(run: Run, method: str, least: int, most: int) -> None:
    """1024 bytes of data a page, zeros behind; random pages beside them stay as they are."""
    scenario = Scenario.build(
        memory="16MiB", content="compressible(4):100%,random@0+1000",
        capabilities=["multifd"], parameters={"multifd-compression": method},
    )  # fmt: skip
    recording = run(make_plan(scenario))
    counters = recording["counters"]
    rest = counters["multifd_bytes"] - 2 * 64 - 1344 * syncs(recording)[-1]
    random = 1000 + counters["normal_pages"] - 4096  # and those of the firmware's blocks
    assert least < (rest - 4097 * random) / 3096 < most


def test_zeros_shrink_where_nobody_looks_for_them() -> None:
    parameters = {"zero-page-detection": "none", "multifd-compression": "zstd"}
    counters = _engine.run(bare(parameters))["counters"]
    assert counters["normal_pages"] == 16384
    assert counters["multifd_bytes"] < 50509184 + 96 * 12 + 32 * 32


def unlimited(link: Link, channels: int, **costs: Any) -> dict[str, Any]:
    """Run 256 MiB of data without a budget over a link that is the bottleneck."""
    scenario = Scenario.build(
        memory="256MiB", capabilities=["multifd"], nonzero_percent=100, bandwidth=0,
        parameters={"multifd-channels": channels},
    )  # fmt: skip
    free = dataclasses.replace(NO_RACE, first_touch_page_ns=0, destination_page_ns=0, **costs)
    host = dataclasses.replace(scenario.host, multifd=free)
    counters: dict[str, Any]
    counters = _engine.run(make_plan(dataclasses.replace(scenario, host=host, link=link)))[
        "counters"
    ]
    return counters


def test_a_shared_link_carries_its_rate_whatever_the_channels() -> None:
    """268 MB at 500 MB/s are 0.54 s with 1, 2 and 8 channels."""
    link = Link(bandwidth_bytes_per_s=500_000_000, send_buffer_bytes=1_000_000)
    for channels in (1, 2, 8):
        assert unlimited(link, channels)["total_time_ms"] == pytest.approx(545, abs=20)


def test_channels_take_a_larger_share_among_other_flows() -> None:
    """One connection among three gets a quarter of 1 GB/s, three of six get the half."""
    link = Link(bandwidth_bytes_per_s=1_000_000_000, competing_flows=3)
    assert unlimited(link, 1)["total_time_ms"] == pytest.approx(1083, abs=30)
    assert unlimited(link, 3)["total_time_ms"] == pytest.approx(545, abs=20)
    lossy = Link(bandwidth_bytes_per_s=10**10, latency_ns=5_000_000, loss_percent=0.1)
    assert lossy.carried_by(8) == pytest.approx(8 * lossy.carries, abs=8)


def test_links_of_the_channels_add_up() -> None:
    """Two links of 250 MB/s carry as much as one of 500; one of them is the half."""
    two = Link(channel_bandwidths_bytes_per_s=(250_000_000, 250_000_000))
    one = Link(channel_bandwidths_bytes_per_s=(250_000_000,))
    assert unlimited(two, 2)["total_time_ms"] == pytest.approx(545, abs=20)
    assert unlimited(one, 2)["total_time_ms"] == pytest.approx(1083, abs=30)
    uneven = Link(channel_bandwidths_bytes_per_s=(400_000_000, 100_000_000))
    assert unlimited(uneven, 2)["total_time_ms"] == pytest.approx(545, abs=40)


def test_many_channels_wait_for_each_others_work_only() -> None:
    """On a host whose threads wait, eight channels are no slower than two."""
    times = []
    for channels in (2, 8, 32):
        scenario = Scenario.build(
            memory="1GiB", nonzero_percent=100, capabilities=["multifd"], bandwidth=0,
            parameters={"multifd-channels": channels},
        )  # fmt: skip
        times.append(_engine.run(make_plan(scenario))["counters"]["total_time_ms"])
    assert times[1] < 1.3 * times[0]
    assert times[2] < 1.5 * times[0]


def test_cores_that_channels_share_slow_them_down() -> None:
    """Eight pairs on two cores write a quarter as fast."""
    free = unlimited(Link(), 8, write_byte_ps=4_000)
    shared = unlimited(Link(), 8, write_byte_ps=4_000, side_by_side_percent=200)
    assert shared["total_time_ms"] > 3 * free["total_time_ms"]


@ENGINES
def test_postcopy_is_not_multifd(run: Run) -> None:
    """All that is queued goes out before the switch; then pages go the ordinary way."""
    scenario = Scenario.build(
        memory="64MiB", workload="uniform:5000", capabilities=["multifd"], postcopy_at="120ms",
        bandwidth="128MiB/s",
    )  # fmt: skip
    recording = run(make_plan(scenario))
    counters, events = recording["counters"], recording["events"]
    assert recording["outcome"] == "completed"
    assert counters["postcopy_bytes"] > 1000 * 4096
    switched = events[events[:, 1] == EVENT_CODES["postcopy_start"]][0, 0]
    synced = events[events[:, 1] == EVENT_CODES["multifd_send_sync_main"]][:, 0]
    assert len(synced) >= 2
    assert (synced <= switched).all()
    assert synced[-1] > switched - 50_000_000
    packets = syncs(recording)[-1]
    pages = (counters["multifd_bytes"] - 2 * 64 - 1344 * packets) // 4096
    assert pages + counters["postcopy_bytes"] // 4104 == pytest.approx(
        counters["normal_pages"], abs=40
    )


@ENGINES
@pytest.mark.parametrize(
    ("command", "outcome"), [("cut", "failed"), ("migrate_cancel", "cancelled")]
)
def test_channels_die_with_the_connection(run: Run, command: str, outcome: str) -> None:
    """What is being written is lost and counts nowhere; the guest runs on here."""
    scenario = Scenario.build(
        memory="256MiB", nonzero_percent=100, capabilities=["multifd"], bandwidth=0,
        link_bandwidth="1Gbit/s", timeline=[{"command": command, "at": "300ms"}],
    )  # fmt: skip
    recording = run(make_plan(scenario))
    counters = recording["counters"]
    assert recording["outcome"] == outcome
    assert 300 <= counters["total_time_ms"] or recording["events"][-1, 0] >= 300_000_000
    packets = (counters["multifd_bytes"] - 2 * 64) / PACKET
    assert 40 < packets < 100
    assert recording["events"][-1, 0] < 320_000_000


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_every_byte_of_the_channels_is_a_hello_a_packet_or_a_page(plan: Plan) -> None:
    """Of a completed precopy run without compression."""
    assume(plan.multifd is not None)
    assert plan.multifd is not None
    assume({page.page_millibytes for page in plan.multifd.payloads} == {4_096_000})
    assume(plan.target is None)  # into a file go pages only: tests.engine.test_files
    recording = _engine.run(plan)
    counters = recording["counters"]
    assume(recording["outcome"] == "completed" and counters["package_bytes"] == 0)
    headers = 64 * plan.multifd.channels + 1344 * syncs(recording)[-1]
    assert counters["multifd_bytes"] == headers + 4096 * counters["normal_pages"]
    main = counters["precopy_bytes"] + counters["downtime_bytes"]
    changed = [item["arguments"].get("zero-page-detection") for item in plan.timeline]
    if LEGACY not in (plan.zero_page_detection, *changed):
        assert main % 8 == 0
        assert main // 8 <= len(recording["iterations"]["t_ns"])


def test_table_of_methods() -> None:
    """Measured between contents in proportion; what is not there is named."""
    half, full = cost_of("zlib", 1, 2048), cost_of("zlib", 1, 4096)
    between = cost_of("zlib", 1, 3584)
    assert half.page_millibytes < between.page_millibytes < full.page_millibytes
    assert 2_050_000 < half.page_millibytes < 2_150_000
    assert cost_of("zstd", 1, 0).page_millibytes < 1_000
    assert cost_of("zlib", 9, 1024).compress_page_ns > cost_of("zstd", 1, 1024).compress_page_ns
    assert (levels_of("zlib"), levels_of("none")) == (list(range(10)), [])
    assert cost_of("qatzip", 9, 0) == cost_of("qatzip", 1, 0)
    with pytest.raises(InputError, match="zstd level 99 · measured are"):
        cost_of("zstd", 99, 4096)
    with pytest.raises(InputError, match=r"allowed 0\.\.4096"):
        cost_of("zstd", 1, 5000)


def test_bad_inputs_are_refused() -> None:
    for wrong in ({"contention_permille": (1, -1)}, {"zero_copy_copied": 1}, {"wake_ns": 0.5}):
        with pytest.raises(HostProfileError, match="multifd"):
            MultifdCosts(**wrong)  # type: ignore[arg-type]
    for rate in (0, -5, 1.5, True):
        with pytest.raises(InputError, match="channel_bandwidths_bytes_per_s"):
            Link(channel_bandwidths_bytes_per_s=(rate,))  # type: ignore[arg-type]


def test_a_scenario_keeps_what_multifd_needs() -> None:
    scenario = Scenario.build(
        capabilities=["multifd"], link={"channels": ["25Gbit/s", "10Gbit/s"]},
        multifd_flush_after_each_section=True, parameters={"multifd-channels": 4},
    )  # fmt: skip
    assert scenario.link.channel_bandwidths_bytes_per_s == (3_125_000_000, 1_250_000_000)
    written = Scenario.build(link={"channels": "25Gbit/s+10Gbit/s"})
    assert written.link == scenario.link
    again = Scenario.from_dict(scenario.to_dict())
    assert again == scenario
    plan = make_plan(again).multifd
    assert plan is not None
    assert (plan.channels, plan.flush_after_each_section) == (4, True)
    assert plan.links == scenario.link.channel_bandwidths_bytes_per_s
    assert make_plan(Scenario.build()).multifd is None
    assert oracle.run(bare())["outcome"] == "completed"
