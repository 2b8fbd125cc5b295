"""What is in pages, and what writes leave there, for the engine's scenarios."""

from __future__ import annotations

from hypothesis import strategies as st

from migkit.guest.content import Content
from migkit.guest.writes import Change, Writes

cache_sizes = st.sampled_from([4096, 16 * 4096, 256 * 4096, 64 << 20])
"""Sizes of xbzrle's page cache: pages get into each other's way, or never."""

_PAGES = st.sampled_from((0, 1, 100, 1365, 4095, 4096))
_DELTAS = st.builds(
    Change,
    st.just("delta"),
    places=st.sampled_from((1, 3, 40)),
    place_bytes=st.sampled_from((1, 8, 400)),
)
_FILLS = st.builds(Change, st.just("fill"), data_bytes=_PAGES)
_SPLITS = st.sampled_from(((100,), (50, 50), (12.5, 0, 87.5)))


@st.composite
def contents(draw: st.DrawFn, pages: int) -> Content:
    """Up to three kinds of pages in short runs, and some ranges of their own."""
    shares = tuple((draw(_PAGES), share) for share in draw(_SPLITS))
    extents = ()
    if draw(st.booleans()):
        first = draw(st.integers(0, pages - 1))
        extents = ((first, draw(st.integers(1, pages)), draw(_PAGES)),)
    return Content(shares, extents, draw(st.sampled_from((1, 7, 64))), draw(st.integers(0, 3)))


@st.composite
def writes(draw: st.DrawFn) -> Writes:
    """The captures' guest, or a mixture of new pages and changed ones."""
    if not draw(st.integers(0, 3)):
        return Writes.parse("count")
    return Writes(tuple((draw(_FILLS | _DELTAS), share) for share in draw(_SPLITS)))
