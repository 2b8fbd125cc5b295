"""Handlers beside RAM of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.scenario.iterables import DirtyBitmap, Handler, IterableHandler, VfioDevice


@st.composite
def generic(draw: st.DrawFn, index: int) -> IterableHandler:
    """A device with some state."""
    return IterableHandler(
        f"device{index}",
        draw(st.integers(0, 400_000)),
        chunk_bytes=draw(st.integers(1, 70_000)),
        postcopiable=draw(st.booleans()),
        byte_ps=draw(st.integers(0, 3_000)),
    )


@st.composite
def bitmaps(draw: st.DrawFn, index: int) -> DirtyBitmap:
    """A bitmap of a node of a few chunks, some of them without a set bit."""
    granularity = draw(st.sampled_from((512, 4096, 65536)))
    disk = draw(st.integers(1, 5 * 8192 * granularity))
    first = draw(st.integers(0, disk - 1))
    extents = ((first, draw(st.integers(1, disk - first))),) if draw(st.booleans()) else ()
    return DirtyBitmap(
        f"bitmap{index}",
        draw(st.sampled_from(("drive0", "drive-one"))),
        disk,
        granularity_bytes=granularity,
        dirty=extents,
        byte_ps=draw(st.sampled_from((0, 2_000))),
    )


@st.composite
def vfio(draw: st.DrawFn, index: int) -> VfioDevice:
    """A device whose state may grow faster than the link is."""
    large = draw(st.booleans())
    return VfioDevice(
        f"0000:0{index}:00.0",
        stop_copy_bytes=draw(st.sampled_from((300_000, 3_000_000) if large else (0, 777))),
        precopy=draw(st.integers(0, 3)) > 0,
        precopy_init_bytes=draw(st.sampled_from((0, 5, 2_500_000) if large else (0, 5))),
        precopy_dirty_bytes=draw(st.sampled_from((0, 40_000 if large else 40))),
        dirty_rate_bytes_per_s=draw(st.sampled_from((0, 900, 4_000_000) if large else (0, 900))),
        most_dirty_bytes=draw(st.sampled_from((0, 600_000))),
        config_bytes=draw(st.sampled_from((0, 256))),
        query_fails=draw(st.integers(0, 9)) == 0,
        byte_ps=draw(st.sampled_from((0, 400))),
    )


@st.composite
def handlers(draw: st.DrawFn, *, postcopy: bool, with_bitmaps: bool) -> tuple[Handler, ...]:
    """Up to three of them; no VFIO device in postcopy, which QEMU refuses."""
    kinds = [generic, generic, *([bitmaps] if with_bitmaps else []), *([] if postcopy else [vfio])]
    count = draw(st.sampled_from((0, 0, 1, 2, 3)))
    return tuple(draw(draw(st.sampled_from(kinds))(index)) for index in range(count))
