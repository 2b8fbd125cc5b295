"""Links of every kind, their changes, and hosts that are busy."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.host.contention import Contention
from migkit.network.link import Link


@st.composite
def links(draw: st.DrawFn) -> Link:
    """A link, plain or with everything that can be wrong with it."""
    bandwidth = draw(st.sampled_from((0, 3_000_000, 150_000_000)))
    plain = {
        "bandwidth_bytes_per_s": bandwidth,
        "latency_ns": draw(st.integers(0, 3_000_000)),
        "send_buffer_bytes": draw(st.integers(0, 4_000_000)),
        "recovery_bandwidth_bytes_per_s": draw(st.sampled_from((0, 10_000_000))),
    }
    if draw(st.booleans()):
        return Link(**plain)
    loss = draw(st.sampled_from((0.0, 0.01, 3.0, 50.0)))
    return Link(
        **plain,
        return_latency_ns=draw(st.sampled_from((None, 0, 2_000_000))),
        jitter_ns=draw(st.sampled_from((0, 3, 4_000_000))),
        loss_percent=loss,
        # Segments of one byte that get lost make a run of hours.
        segment_bytes=draw(st.sampled_from((1448, 8948) if loss else (1, 1448, 8948))),
        window_bytes=draw(st.sampled_from((0, 65_536))),
        retransmission_timeout_ns=draw(st.sampled_from((0, 5_000_000))),
        competing_bytes_per_s=draw(st.sampled_from((0, 1_000_000))) if bandwidth else 0,
        competing_flows=draw(st.integers(0, 2)) if bandwidth else 0,
    )


@st.composite
def link_arguments(draw: st.DrawFn) -> dict[str, object]:
    """What a ``link-change`` may say."""
    arguments: dict[str, object] = {"bandwidth": draw(st.integers(100_000, 50_000_000))}
    if draw(st.booleans()):
        arguments |= {
            "latency_ns": draw(st.integers(0, 5_000_000)),
            "jitter_ns": draw(st.sampled_from((0, 1_000_000))),
            "loss_percent": draw(st.sampled_from((0.0, 1.0))),
            "competing_flows": draw(st.integers(0, 1)),
        }
    return arguments


contentions = st.sampled_from(
    (Contention(), Contention(), Contention(130, 100), Contention(70, 250))
)
