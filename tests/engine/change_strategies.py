"""Parameters that change while a migration runs, for generated scenarios."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.scenario.timeline import TimelineItem
from tests.engine.content_strategies import cache_sizes

BANDWIDTHS = st.integers(0, 30_000_000)
# max-cpu-throttle as high as any cpu-throttle-initial: QEMU refuses a lower one.
VALUES = {
    "downtime-limit": st.integers(0, 2_000),
    "max-bandwidth": BANDWIDTHS,
    "max-postcopy-bandwidth": BANDWIDTHS,
    "avail-switchover-bandwidth": BANDWIDTHS,
    "throttle-trigger-threshold": st.sampled_from((1, 10, 50, 100)),
    "cpu-throttle-initial": st.just(1),
    "cpu-throttle-increment": st.integers(1, 99),
    "cpu-throttle-tailslow": st.booleans(),
    "max-cpu-throttle": st.just(99),
    "zero-page-detection": st.sampled_from(("none", "legacy", "multifd")),
    "vcpu-dirty-limit": st.sampled_from((1, 2, 50)),
    "x-vcpu-dirty-limit-period": st.sampled_from((1, 80, 700)),
    "xbzrle-cache-size": cache_sizes,
    "multifd-channels": st.just(7),
    "announce-rounds": st.just(0),
}


@st.composite
def parameter_changes(
    draw: st.DrawFn, moments: st.SearchStrategy[float]
) -> tuple[TimelineItem, ...]:
    """One or two commands with up to three parameters, at times, states and events."""
    items = []
    for _ in range(draw(st.integers(1, 2))):
        names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
        moment = draw(
            st.fixed_dictionaries({"at_s": moments})
            | st.sampled_from(
                (
                    {"at_state": "active"},
                    {"at_event": "migration_throttle"},
                    {"at_event": "migration_dirty_limit_guest", "after_s": 0.05},
                    {"at_event": "migration_bitmap_sync_end", "after_s": 0.003},
                )
            )
        )
        arguments = {name: draw(VALUES[name]) for name in names}
        items.append(TimelineItem("migrate-set-parameters", arguments=arguments, **moment))
    return tuple(items)
