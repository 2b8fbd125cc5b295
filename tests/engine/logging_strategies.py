"""Accelerators, their costs and limits of the dirty rate, for generated scenarios."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.guest.accelerator import Accelerator
from migkit.host.logging_costs import LoggingCosts


@st.composite
def accelerators(draw: st.DrawFn) -> Accelerator:
    """Every way of a dirty log, chunks from 64 pages up."""
    shift = draw(st.sampled_from((6, 7, 9, 18)))
    kind = draw(st.sampled_from(("tcg", "get", "manual", "manual", "ring", "ring")))
    if kind == "tcg":
        return Accelerator(clear_bitmap_shift=shift)
    return Accelerator(
        "kvm",
        dirty_ring_size=1024 if kind == "ring" else 0,
        manual_protect=kind == "manual",
        initially_set=draw(st.booleans()),
        ring_with_bitmap=draw(st.booleans()),
        clear_bitmap_shift=shift,
    )


@st.composite
def logging_costs(draw: st.DrawFn) -> LoggingCosts:
    """Costs that keep some vCPUs busy, and rings that are full after 1 to 1024 pages."""
    return LoggingCosts(
        tcg_repeated_write_ns=draw(st.sampled_from((0, 300, 20_000))),
        kvm_write_ns=draw(st.sampled_from((0, 1_000, 30_000))),
        protection_fault_ns=draw(st.sampled_from((0, 2_000, 90_000))),
        protect_page_ps=draw(st.integers(0, 200_000)),
        log_call_ns=draw(st.integers(0, 50_000)),
        kick_vcpu_ns=draw(st.integers(0, 300_000)),
        ring_full_exit_ns=draw(st.integers(0, 2_000_000)),
        ring_reserved_entries=draw(st.sampled_from((0, 576, 1000, 1023))),
    )


def limits(draw: st.DrawFn) -> dict[str, int | bool]:
    """Parameters of auto-converge and dirty-limit, QEMU's names."""
    initial = draw(st.integers(1, 99))
    return {
        "throttle-trigger-threshold": draw(st.sampled_from((1, 10, 50, 100))),
        "cpu-throttle-initial": initial,
        "cpu-throttle-increment": draw(st.integers(1, 99)),
        "cpu-throttle-tailslow": draw(st.booleans()),
        "max-cpu-throttle": draw(st.integers(initial, 99)),
        "vcpu-dirty-limit": draw(st.sampled_from((1, 3, 30))),
        "x-vcpu-dirty-limit-period": draw(st.sampled_from((1, 90, 1000))),
    }
