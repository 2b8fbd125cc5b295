"""multifd for generated scenarios: channels, methods, links and costs without a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from migkit.host.multifd_costs import MultifdCosts


@dataclass(frozen=True)
class MultifdInputs:
    """What a scenario with multifd has beside the others; the same fields, at rest, without."""

    capabilities: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    links: tuple[int, ...] = ()
    flush_after_each_section: bool = False
    costs: MultifdCosts = field(default_factory=MultifdCosts)


@st.composite
def multifd_costs(draw: st.DrawFn) -> MultifdCosts:
    """Costs from none to slow."""
    times = st.sampled_from((0, 1, 70, 9_000, 400_000))
    return MultifdCosts(
        open_ns=draw(times),
        open_channel_ns=draw(times),
        wake_ns=draw(times),
        contention_permille=draw(st.sampled_from(((), (0,), (0, 300, 2_500)))),
        queue_page_ns=draw(st.sampled_from((0, 1, 60, 5_000))),
        test_page_ns=draw(st.sampled_from((0, 100, 9_000))),
        test_zero_page_ns=draw(st.sampled_from((0, 100, 9_000))),
        packet_ns=draw(times),
        write_ns=draw(times),
        write_byte_ps=draw(st.sampled_from((0, 420, 20_000))),
        zero_copy_byte_ps=draw(st.sampled_from((0, 60))),
        zero_copy_copied=draw(st.booleans()),
        first_touch_page_ns=draw(st.sampled_from((0, 2_000, 50_000))),
        destination_page_ns=draw(st.sampled_from((0, 2_000, 50_000))),
        destination_zero_page_ns=draw(st.sampled_from((0, 100))),
        side_by_side_percent=draw(st.sampled_from((0, 100, 250))),
        send_buffer_bytes=draw(st.sampled_from((0, 100_000, 4_000_000))),
    )


@st.composite
def multifd_inputs(draw: st.DrawFn) -> MultifdInputs:
    """multifd with all its options."""
    method = draw(st.sampled_from(("none", "none", "zlib", "zstd", "qpl", "uadk", "qatzip")))
    zero_copy = method == "none" and draw(st.booleans())
    return MultifdInputs(
        capabilities=("multifd", "zero-copy-send") if zero_copy else ("multifd",),
        parameters={
            "multifd-channels": draw(st.sampled_from((1, 2, 3, 8))),
            "multifd-compression": method,
            "multifd-zstd-level": draw(st.sampled_from((0, 1, 20))),
            "multifd-zlib-level": draw(st.sampled_from((0, 1, 9))),
        },
        links=draw(st.sampled_from(((), (), (5_000_000,), (80_000_000, 3_000_000)))),
        flush_after_each_section=draw(st.booleans()),
        costs=draw(multifd_costs()),
    )
