"""Migrations with xbzrle that go on for many sweeps over few pages."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.guest import Guest
from migkit.guest.ram_block import RamBlock
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.workloads import HotCold, Sequential, Uniform
from tests.engine.content_strategies import cache_sizes, contents, writes

PAGE_BYTES = 4096


@st.composite
def xbzrle_plans(draw: st.DrawFn) -> Plan:
    """Dirty pages come back again and again: hits, skips, overflows, pages in each other's way."""
    pages = draw(st.integers(40, 700))
    guest = Guest(
        memory_bytes=pages * PAGE_BYTES,
        ram_blocks=(
            RamBlock("pc.ram", pages * PAGE_BYTES, ((0, pages),)),
            RamBlock("rom", 5 * PAGE_BYTES, ((0, 2),)),
        ),
        always_dirty_pages=draw(st.sampled_from(((), (3,), (0, 39)))),
        content=draw(contents(pages)),
    )
    limits = {
        "max-bandwidth": draw(st.sampled_from((1_000_000, 5_000_000, 20_000_000))),
        "downtime-limit": draw(st.sampled_from((0, 1, 20))),
        "xbzrle-cache-size": draw(cache_sizes),
        "zero-page-detection": draw(st.sampled_from(("multifd", "legacy", "none"))),
    }
    resized = TimelineItem(
        "migrate-set-parameters", at_s=0.9, arguments={"xbzrle-cache-size": draw(cache_sizes)}
    )
    postcopy = draw(st.integers(0, 4)) == 4
    # Two pages that are never clean make a pass every 100 us.
    observed = (0.3, 1.0) if guest.always_dirty_pages else (1.2, 2.5)
    scenario = Scenario(
        guest=guest,
        workload=draw(programs(pages)),
        capabilities=Capabilities(
            [
                "xbzrle",
                *(["auto-converge"] if draw(st.booleans()) else []),
                *(["postcopy-ram"] if postcopy else []),
            ]
        ),
        parameters=MigrationParameters.from_qmp(limits),
        timeline=(
            *([resized] if draw(st.booleans()) else []),
            *([TimelineItem("migrate-start-postcopy", at_s=1.5)] if postcopy else []),
        ),
        observe_for_s=draw(st.sampled_from(observed)),
        workload_lead_s=draw(st.sampled_from((0.0, 0.7))),
    )
    return make_plan(scenario)


@st.composite
def programs(draw: st.DrawFn, pages: int):
    """A program whose writes leave anything; often that of the captures' guest."""
    used = draw(st.integers(2, pages))
    common = {
        "pages": used,
        "base_page": draw(st.integers(0, pages - used)),
        "rate_pages_per_s": draw(st.sampled_from((50, 700, 5_000))),
        "seed": draw(st.integers(0, 3)),
        "generator": draw(st.sampled_from(("counter", "xorshift32"))),
        "total_pages": draw(st.integers(0, used)),
        "writes": draw(writes()),
    }
    kind = draw(st.sampled_from((Sequential, Uniform, HotCold)))
    if kind is HotCold:
        common |= {"hot_pages": draw(st.integers(1, used - 1)), "hot_percent": 90}
    return kind(**common)
