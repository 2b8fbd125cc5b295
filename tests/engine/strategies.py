"""Scenarios for the engine: tiny guests, odd costs, everything that can happen to a migration."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from migkit.guest import Guest
from migkit.guest.content import Content
from migkit.guest.ram_block import RamBlock
from migkit.guest.writes import Writes
from migkit.host import HostProfile
from migkit.host.devices import Device
from migkit.host.noise import Noise
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.iterables import VfioDevice
from migkit.scenario.timeline import TimelineItem
from migkit.workloads import HotCold, Idle, Sequential, Uniform
from tests.engine.change_strategies import parameter_changes
from tests.engine.content_strategies import cache_sizes, contents, writes
from tests.engine.file_strategies import (
    file_capabilities,
    releases,
    shared_guests,
    snapshots,
    storages,
    transports,
)
from tests.engine.iterable_strategies import handlers
from tests.engine.link_strategies import contentions, links
from tests.engine.logging_strategies import accelerators, limits, logging_costs
from tests.engine.mishap_strategies import mishaps
from tests.engine.multifd_strategies import MultifdInputs, multifd_inputs
from tests.engine.postcopy_strategies import postcopy_costs, recoveries

PAGE_BYTES = 4096
PLUGGED = (
    Device("nic", 90_000, save_ns=400_000, describe_ns=30_000, load_ns=1_000_000, vmdesc_bytes=9),
    Device("memory", 300, save_ns=70_000, early=True),
)
COST_FIELDS = tuple(
    field.name
    for field in dataclasses.fields(HostProfile)
    if field.name.endswith(("_ns", "_ps")) and field.name != "throttle_timer_ns"
)


@st.composite
def hosts(draw: st.DrawFn) -> HostProfile:
    """A host whose costs have nothing to do with any machine."""
    profile = HostProfile.load("captures")
    odd = {
        name: draw(st.integers(0, 3 * getattr(profile, name) + 7))
        for name in draw(st.sets(st.sampled_from(COST_FIELDS), max_size=8))
    }
    # Slow pages make many passes and many faults; not slower than 60 us.
    odd["normal_page_ns"] = draw(st.integers(1, 60_000))
    odd["sparse_page_ns"] = draw(st.integers(1, 60_000))
    odd["place_page_ns"] = draw(st.integers(1, 60_000))
    odd["postcopy"] = draw(postcopy_costs())
    odd["dirty_logging"] = draw(logging_costs())
    odd["throttle_timer_ns"] = draw(st.sampled_from((5_000_000_000, 300_000_000)))
    early_bytes = draw(st.sampled_from((0, 0, 200, 70_000)))
    odd["machine"] = dataclasses.replace(profile.machine, early_device_state_bytes=early_bytes)
    odd["devices"] = draw(st.sampled_from(((), (), PLUGGED)))
    held_ns = draw(st.sampled_from((0, 0, 41_000_000)))
    odd["landing"] = dataclasses.replace(profile.landing, held_segment_ns=held_ns)
    odd["storage"] = draw(storages)
    odd["snapshot"] = draw(snapshots)
    odd["release"] = draw(releases)
    odd["noise"] = Noise(
        limiter_late_ns=draw(st.sampled_from(((), ((), (0, 1, 9_000_000)), ((2_500_000,),)))),
        workload_lead_shift_ns=draw(st.sampled_from(((), (-1_000_000, 3_000_000)))),
        command_shift_ns=draw(st.sampled_from(((), (-30_000_000, 0, 50_000_000)))),
        costs=draw(st.sampled_from(({}, {"clock_phase_ns": (0, 999_999), "sync_fixed_ns": (5,)}))),
    )
    return dataclasses.replace(profile, **odd)


@st.composite
def guests(draw: st.DrawFn) -> Guest:
    """One to four blocks, not multiples of a word, some pages with data."""
    blocks = []
    for index in range(draw(st.integers(1, 4))):
        pages = draw(st.integers(1, 2_500 if index == 0 else 70))
        first = draw(st.integers(0, pages // 4))
        count = draw(st.integers(0, pages - first))
        extents = ((first, count),) if count else ()
        blocks.append(RamBlock(f"block{index}" * (index + 1), pages * PAGE_BYTES, extents))
    first_pages = blocks[0].used_bytes // PAGE_BYTES
    always = tuple(sorted(draw(st.sets(st.integers(0, first_pages - 1), max_size=2))))
    return Guest(
        memory_bytes=blocks[0].used_bytes,
        ram_blocks=tuple(blocks),
        always_dirty_pages=always,
        vcpus=draw(st.sampled_from((1, 1, 2, 3, 8))),
        content=draw(st.just(Content()) | contents(first_pages)),
        cpu_ns_per_write=draw(st.sampled_from((None, None, 0, 40_000, 1_000_000))),
    )


@st.composite
def workloads(draw: st.DrawFn, guest: Guest):
    """A workload that fits the guest."""
    room = guest.ram_blocks[0].used_bytes // PAGE_BYTES
    base = draw(st.integers(0, room - 1))
    pages = draw(st.integers(1, room - base))
    common = {
        "pages": pages,
        "base_page": base,
        "rate_pages_per_s": draw(st.sampled_from((0, 7, 333, 5_000, 40_000))),
        "batch_ms": draw(st.integers(1, 7)),
        "seed": draw(st.integers(0, 9)),
        "generator": draw(st.sampled_from(("counter", "xorshift32"))),
        "writes": draw(st.just(Writes()) | writes()),
    }
    kind = draw(st.sampled_from(("idle", "sequential", "uniform", "hotcold")))
    if kind == "idle":
        return Idle()
    if kind == "sequential":
        common.pop("generator")
        return Sequential(**common)
    if kind == "uniform" or pages < 2:
        return Uniform(**common)
    hot = draw(st.integers(1, pages - 1))
    return HotCold(**common, hot_pages=hot, hot_percent=draw(st.integers(0, 100)))


@st.composite
def timelines(draw: st.DrawFn, *, postcopy: bool, pause: bool) -> tuple[TimelineItem, ...]:
    """Commands, changes of the link and cuts, at times, states and events."""
    moments = st.floats(0, 1.5).map(lambda s: round(s, 6))
    items = []
    if postcopy:
        early = draw(st.floats(0, 0.4).map(lambda s: round(s, 6)))
        items.append(TimelineItem("migrate-start-postcopy", at_s=early))
    if draw(st.booleans()):
        items += draw(parameter_changes(moments))
    if pause and draw(st.integers(0, 9)):
        state = {"state": "pre-switchover"}
        if draw(st.integers(0, 3)):
            items.append(
                TimelineItem("migrate-continue", at_state="pre-switchover", arguments=state)
            )
        else:
            items.append(TimelineItem("migrate-continue", at_s=draw(moments), arguments=state))
    items += draw(mishaps(moments))
    if draw(st.booleans()):
        items += draw(recoveries())
    return tuple(items)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A resolved scenario with everything the engine knows."""
    guest = draw(guests())
    postcopy = draw(st.booleans())
    pause = draw(st.integers(0, 4)) == 4
    version = draw(st.sampled_from(("10.0.13", "10.1.0", "10.2.2", "11.1.3")))
    refused = postcopy and version == "10.0.13"
    multifd = MultifdInputs() if refused or draw(st.booleans()) else draw(multifd_inputs())
    names = [
        *(["postcopy-ram"] if postcopy else []),
        *(["postcopy-preempt"] if postcopy and draw(st.booleans()) else []),
        *(["postcopy-blocktime"] if postcopy and draw(st.booleans()) else []),
        *(["pause-before-switchover"] if pause else []),
        *(["return-path"] if draw(st.booleans()) else []),
        *(multifd.capabilities or draw(st.sampled_from(((), ("xbzrle",))))),
        *multifd.capabilities,
        *(["dirty-bitmaps"] if draw(st.integers(0, 2)) == 0 else []),
    ]
    accelerator = draw(accelerators())
    limited = draw(st.booleans()) and accelerator.log_mode == "dirty-ring"
    slowed = draw(st.sampled_from(("auto-converge", None)))
    names += ["dirty-limit"] if limited else [slowed] if slowed else []
    if "return-path" in names and draw(st.booleans()):
        names.append("switchover-ack")
    names = draw(file_capabilities(names, multifd.parameters.get("multifd-compression", "none")))
    guest = draw(shared_guests(guest, names))
    answered = "mapped-ram" not in names  # by a destination, to which the guest can go
    switches = postcopy or ("dirty-bitmaps" in names and answered and draw(st.booleans()))
    others = draw(handlers(postcopy=postcopy, with_bitmaps="dirty-bitmaps" in names))
    if "background-snapshot" in names:
        others = tuple(item for item in others if not isinstance(item, VfioDevice))
    busy = any(isinstance(item, VfioDevice) for item in others)
    bandwidth = draw(st.sampled_from((0, 300_000, 1_500_000, 5_000_000, 20_971_520, 10**10)))
    scenario = Scenario(
        guest=guest,
        workload=draw(workloads(guest)),
        capabilities=Capabilities(names),
        parameters=MigrationParameters.from_qmp(
            {
                "max-bandwidth": bandwidth,
                "max-postcopy-bandwidth": draw(st.sampled_from((0, 0, 2_000_000))),
                "downtime-limit": draw(st.sampled_from((0, 1, 20, 300, 2_000))),
                "avail-switchover-bandwidth": draw(st.sampled_from((0, 0, 999, 4_096_000))),
                "xbzrle-cache-size": draw(cache_sizes),
                "zero-page-detection": draw(st.sampled_from(("multifd", "legacy", "none"))),
                **limits(draw),
                **multifd.parameters,
            }
        ),
        timeline=draw(timelines(postcopy=switches, pause=pause)),
        host=dataclasses.replace(draw(hosts()), multifd=multifd.costs),
        link=dataclasses.replace(draw(links()), channel_bandwidths_bytes_per_s=multifd.links),
        contention=draw(contentions),
        images_locked=draw(st.booleans()),
        accelerator=accelerator,
        completion_rule=draw(st.sampled_from(("before", "after"))),
        qemu_version=version,
        iterables=others,
        # A VFIO device can keep the loop from ever sleeping.
        observe_for_s=draw(st.sampled_from((0.35,) if busy else (0.35, 3.0, 8.0))),
        transport=draw(transports(names)),
        runstate=draw(st.sampled_from(("running", "running", "running", "paused"))),
        workload_lead_s=draw(st.sampled_from((0.0, 0.0501))),
        multifd_flush_after_each_section=multifd.flush_after_each_section,
    )
    return make_plan(scenario, draw(st.sampled_from((None, 0, 7))))
