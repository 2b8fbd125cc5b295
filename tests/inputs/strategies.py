"""Random valid inputs, every field drawn."""

import dataclasses

from hypothesis import strategies as st

from migkit.errors import InputError
from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.guest.ram_block import RamBlock
from migkit.host import HostProfile, MachineProfile
from migkit.host.logging_costs import LoggingCosts
from migkit.network.link import Link
from migkit.parameters import PARAMETERS, MigrationParameters
from migkit.parameters.capabilities import CAPABILITIES, Capabilities
from migkit.scenario import RULES, Scenario
from migkit.scenario.iterables import IterableHandler
from migkit.scenario.timeline import TimelineItem
from migkit.schema import EVENT_CODES, STATES
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import RecordedPages, RecordedRate

PAGES = 512
NAMES = st.text("abc/@.-µ", min_size=1, max_size=8)
SECONDS = st.floats(0, 1e6, allow_nan=False)
COSTS = st.integers(0, 10**9)


@st.composite
def ram_blocks(draw, pages):
    first = draw(st.integers(0, pages - 1))
    extents = draw(st.lists(st.just((first, draw(st.integers(1, pages - first)))), max_size=2))
    return RamBlock(draw(NAMES), pages * 4096, tuple(extents))


@st.composite
def guests(draw):
    memory = draw(ram_blocks(PAGES))
    others = draw(st.lists(st.integers(1, 9).flatmap(ram_blocks), max_size=3))
    named = {block.name: block for block in [*others, memory]}
    named.pop(memory.name)
    dirty = draw(st.sets(st.integers(0, PAGES - 1), max_size=3))
    vcpus = draw(st.integers(1, 1024))
    cpu_ns = draw(st.none() | st.integers(0, 10**9))
    return Guest(
        PAGES * 4096, (memory, *named.values()), tuple(dirty), vcpus, cpu_ns_per_write=cpu_ns
    )


COMMON = {
    "rate_pages_per_s": st.integers(0, 10**6) | st.floats(0, 1e6),
    "pages": st.none() | st.integers(20, 100),
    "base_page": st.integers(0, 50),
    "batch_ms": st.integers(1, 100),
    "seed": st.integers(0, 2**63 - 1),
    "total_pages": st.none() | st.integers(0, 100),
}
EITHER = {**COMMON, "generator": st.sampled_from(["counter", "xorshift32"])}
TIMES = st.lists(st.integers(0, 10**12), min_size=3, max_size=3).map(sorted)
VALUES = st.lists(st.integers(0, 19), min_size=3, max_size=3)

SIMPLE = st.one_of(
    st.builds(Idle, **{**EITHER, "rate_pages_per_s": st.just(0)}),
    st.builds(Sequential, **EITHER),
    st.builds(Uniform, **EITHER),
    st.builds(HotCold, **EITHER, hot_pages=st.integers(1, 19), hot_percent=st.integers(0, 100)),
    st.builds(Zipf, **COMMON, exponent=st.floats(0, 10)),
    st.builds(RecordedPages, **COMMON, t_ns=TIMES, page=VALUES),
    st.builds(RecordedRate, **COMMON, t_ns=TIMES, rates=VALUES),
)
PHASE = st.builds(Phase, workload=SIMPLE, duration_ms=st.integers(1, 10**6))
WORKLOADS = SIMPLE | st.builds(
    Phases, **COMMON, phases=st.lists(PHASE, min_size=1, max_size=3).map(tuple)
)

ORDERS = st.one_of(
    st.fixed_dictionaries(
        {"command": st.sampled_from(["migrate_cancel", "migrate-pause", "cut"])}
    ),
    st.fixed_dictionaries(
        {
            "command": st.just("migrate-set-parameters"),
            "arguments": st.just({"downtime-limit": 7, "max-bandwidth": 2**64 - 1}),
        }
    ),
    st.fixed_dictionaries(
        {
            "command": st.just("link-change"),
            "arguments": st.fixed_dictionaries({"bandwidth": st.integers(0, 10**12)}),
        }
    ),
    st.just({"command": "migrate", "arguments": {"resume": True}}),
    st.just({"command": "migrate-continue", "arguments": {"state": "device"}}),
    st.just({"command": "migrate-recover", "side": "dest"}),
)
MOMENTS = st.one_of(
    st.fixed_dictionaries({"at_s": SECONDS}),
    st.fixed_dictionaries({"at_state": st.sampled_from(STATES)}),
    st.fixed_dictionaries({"at_event": st.sampled_from(list(EVENT_CODES)), "after_s": SECONDS}),
)
TIMELINES = st.lists(
    st.builds(lambda order, moment: TimelineItem(**order, **moment), ORDERS, MOMENTS), max_size=3
).map(tuple)

LINKS = st.builds(Link, COSTS, COSTS, COSTS, COSTS)
COST_FIELDS = [
    item.name
    for item in dataclasses.fields(HostProfile)
    if item.name.endswith(("_ns", "_ps", "_percent"))
]
HOSTS = st.builds(
    HostProfile,
    name=NAMES,
    machine=st.builds(MachineProfile, NAMES, COSTS, COSTS, COSTS),
    link=LINKS,
    fitted_on=st.lists(NAMES, max_size=2).map(tuple),
    method=NAMES,
    dirty_logging=st.builds(LoggingCosts, *[COSTS] * 7, st.integers(0, 1023)),
    **dict.fromkeys(COST_FIELDS, COSTS),
)
HANDLERS = st.lists(
    st.builds(IterableHandler, NAMES, COSTS, st.integers(1, 10**6), st.booleans(), COSTS),
    max_size=2,
    unique_by=lambda handler: handler.name,
).map(tuple)

BOUND_TO_OTHERS = ("xbzrle-cache-size", "mode", "max-cpu-throttle", "cpu-throttle-initial")


def accepted_values(info):
    if info.low is not None:
        return st.integers(info.low, info.high)
    if info.choices:
        return st.sampled_from(info.choices)
    return {bool: st.booleans(), str: st.text("abc", max_size=8)}.get(
        type(info.default), st.lists(st.text("abc", max_size=8), max_size=2)
    )


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        info.qmp: accepted_values(info)
        for info in PARAMETERS.values()
        if info.qmp not in BOUND_TO_OTHERS
    },
)


accelerators = st.builds(
    Accelerator, st.just("kvm"), st.sampled_from([0, 1024, 65536]), *[st.booleans()] * 3,
    st.integers(6, 31),
) | st.builds(
    Accelerator, manual_protect=st.booleans(), clear_bitmap_shift=st.integers(6, 31)
)  # fmt: skip

OF_A_SOCKET = [name for name in CAPABILITIES if name != "mapped-ram"]


@st.composite
def scenarios(draw):
    """Make a scenario in which every field may differ from its default."""
    parameters = MigrationParameters.from_qmp(draw(ARGUMENTS))
    on = Capabilities(draw(st.sets(st.sampled_from(OF_A_SOCKET), max_size=4)))
    version = draw(st.sampled_from(["10.0.13", "10.2.2"]))
    try:
        on.check(parameters, version)
    except InputError:
        on = Capabilities(["postcopy-ram"])
    accelerator = draw(accelerators)
    try:
        accelerator.check(on)
    except InputError:
        accelerator = Accelerator("kvm", 4096)
    return Scenario(
        guest=draw(guests()),
        workload=draw(WORKLOADS),
        capabilities=on,
        parameters=parameters,
        timeline=draw(TIMELINES),
        host=draw(HOSTS),
        link=draw(LINKS),
        completion_rule=draw(st.sampled_from(RULES)),
        qemu_version=version,
        iterables=draw(HANDLERS),
        name=draw(NAMES),
        description=draw(NAMES),
        seed=draw(st.integers(0, 2**63 - 1)),
        observe_for_s=draw(st.none() | st.floats(0.001, 1e6)),
        workload_lead_s=draw(SECONDS),
        accelerator=accelerator,
    )
