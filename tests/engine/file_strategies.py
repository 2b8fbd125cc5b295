"""Scenarios whose stream goes into a file, and those that follow the guest's memory."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from migkit.guest import Guest
from migkit.host.snapshot_costs import ReleaseCosts, SnapshotCosts
from migkit.host.storage import Storage
from migkit.network.transport import Transport

_COSTS = st.integers(0, 20_000)


@st.composite
def transports(draw: st.DrawFn, capabilities: list[str]) -> Transport:
    """A target that QEMU takes with these capabilities."""
    if "mapped-ram" in capabilities:
        kind = "file"
    elif {"return-path", "postcopy-ram", "dirty-bitmaps", "multifd"} & set(capabilities):
        kind = "tcp"
    else:
        kind = draw(st.sampled_from(("tcp", "tcp", "file", "exec")))
    offset = draw(st.sampled_from((0, 4096, 3_000_001))) if kind == "file" else 0
    return Transport(kind, offset)


@st.composite
def file_capabilities(draw: st.DrawFn, names: list[str], compression: str) -> list[str]:
    """Some of mapped-ram, x-ignore-shared, release-ram and background-snapshot beside others."""
    postcopy = "postcopy-ram" in names
    wanted = draw(
        st.sets(st.sampled_from(("mapped-ram", "x-ignore-shared", "background-snapshot")))
        if not postcopy and draw(st.booleans())
        else st.builds(set)
    )
    if compression != "none" or "zero-copy-send" in names:
        wanted -= {"mapped-ram"}
    if "background-snapshot" in wanted:
        refused = {"auto-converge", "pause-before-switchover", "return-path"}
        refused |= {"multifd", "xbzrle", "zero-copy-send", "dirty-bitmaps", "switchover-ack"}
        names = [name for name in names if name not in refused]
    if "mapped-ram" in wanted:
        names = [name for name in names if name not in ("return-path", "switchover-ack", "xbzrle")]
    release = postcopy and draw(st.booleans())
    return [*names, *sorted(wanted), *(["release-ram"] if release else [])]


@st.composite
def shared_guests(draw: st.DrawFn, guest: Guest, capabilities: list[str]) -> Guest:
    """The guest with some of its blocks shared, unless QEMU 10 could not migrate it."""
    if "mapped-ram" in capabilities and "x-ignore-shared" in capabilities:
        return guest
    blocks = tuple(
        dataclasses.replace(block, shared=draw(st.booleans())) for block in guest.ram_blocks
    )
    return dataclasses.replace(guest, ram_blocks=blocks)


storages = st.builds(
    Storage,
    write_ns=_COSTS,
    byte_ps=st.integers(0, 3_000),
    scattered_write_ns=_COSTS,
    bandwidth_bytes_per_s=st.sampled_from((0, 3_000_000, 400_000_000)),
    cache_bytes=st.sampled_from((0, 1_000_000, 1 << 40)),
)
snapshots = st.builds(
    SnapshotCosts,
    populate_page_ps=st.integers(0, 500_000),
    protect_ns=_COSTS,
    protect_page_ps=st.integers(0, 50_000),
    resume_ns=st.integers(0, 3_000_000),
    poll_ns=_COSTS,
    fault_ns=_COSTS,
    unprotect_ns=_COSTS,
    wake_ns=_COSTS,
)
releases = st.builds(ReleaseCosts, page_ns=_COSTS, range_ns=_COSTS)
