"""XBZRLE's bytes: by hand, there and back, at the limit, and records that no encoder writes."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit._engine import xbzrle as compiled
from migkit.errors import InputError
from migkit.oracle import xbzrle as plain

PAGE = bytes(4096)
CODECS = pytest.mark.parametrize("codec", [compiled, plain], ids=["engine", "oracle"])


def changed(*patches: tuple[int, bytes]) -> bytes:
    """A page of zeros with other bytes at some offsets."""
    page = bytearray(PAGE)
    for at, data in patches:
        page[at : at + len(data)] = data
    return bytes(page)


@st.composite
def page_pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A page and a later version of it: a few stores, or anything."""
    size = draw(st.sampled_from((1, 2, 64, 300, 4096)))
    old = draw(st.binary(min_size=size, max_size=size))
    new = bytearray(old)
    for _ in range(draw(st.integers(0, 9))):
        at = draw(st.integers(0, size - 1))
        data = draw(st.binary(max_size=size - at))
        new[at : at + len(data)] = data
    return old, bytes(new)


@CODECS
@pytest.mark.parametrize(
    ("new", "record"),
    [
        (PAGE, b""),
        (changed((0, b"\x01")), b"\x00\x01\x01"),
        (changed((127, b"\x01\x02")), b"\x7f\x02\x01\x02"),
        (changed((128, b"\x01\x02\x03\x04")), b"\x80\x01\x04\x01\x02\x03\x04"),
        (changed((4095, b"\x09")), b"\xff\x1f\x01\x09"),
        (changed((2, b"\x05"), (4, b"\x06")), b"\x02\x01\x05\x01\x01\x06"),
        (changed((0, b"\x07" * 128)), b"\x00\x80\x01" + b"\x07" * 128),
    ],
)
def test_records_by_hand(codec: ModuleType, new: bytes, record: bytes) -> None:
    """Equal run, changed run, changed bytes; a store of 4 bytes behind 127 takes 7."""
    assert codec.encode(PAGE, new, 4096) == record
    assert codec.decode(record, PAGE) == new


@CODECS
def test_a_page_that_changed_everywhere_overflows(codec: ModuleType) -> None:
    """Its lengths would take it past a page: 1 + 2 + 4096 bytes."""
    other = b"\xff" * 4096
    assert codec.encode(PAGE, other, 4096) is None
    assert codec.encode(PAGE, other, 4098) is None
    assert codec.encode(PAGE, other, 4099) == b"\x00\x80\x20" + other


@CODECS
def test_every_other_byte_overflows_before_it_fits(codec: ModuleType) -> None:
    """Three bytes a pair: 1365 pairs make 4095, and the next has no room for a length."""
    spread = bytes(at % 2 for at in range(4096))
    assert codec.encode(PAGE, spread, 4096) is None
    fits = bytes(at % 2 if at < 2 * 1365 else 0 for at in range(4096))
    # The rest is equal, but the room for two more lengths is asked for before that is known.
    assert codec.encode(PAGE, fits, 4096) is None
    assert codec.encode(PAGE, fits, 4097) == b"\x01\x01\x01" * 1365


@given(pages=page_pairs(), limit=st.sampled_from((0, 1, 7, 64, 4096, 20_000)))
def test_both_codecs_write_the_same_and_read_it_back(
    pages: tuple[bytes, bytes], limit: int
) -> None:
    """Engine and oracle agree, a record gives the page back, and never passes the limit."""
    old, new = pages
    record = compiled.encode(old, new, limit)
    assert record == plain.encode(old, new, limit)
    if record is None:
        assert compiled.encode(old, new, 20_000) is not None
    else:
        assert len(record) <= limit
        assert compiled.decode(record, old) == plain.decode(record, old) == new
        assert (record == b"") == (old == new)


@given(record=st.binary(max_size=40), old=st.binary(min_size=20, max_size=20))
def test_both_decoders_refuse_the_same(record: bytes, old: bytes) -> None:
    """Anything else than a record is refused at the same byte, or read alike."""
    outcomes = []
    for codec in (compiled, plain):
        try:
            outcomes.append(codec.decode(record, old))
        except InputError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@CODECS
@pytest.mark.parametrize(
    "record",
    [b"\x01", b"\x00\x00", b"\x00\x02\x01", b"\x80", b"\x00\x01\x05\x00\x01\x06", b"\x80\x80\x01"],
)
def test_broken_records_are_refused(codec: ModuleType, record: bytes) -> None:
    """Cut off, empty runs, bytes missing, a length too long."""
    with pytest.raises(InputError, match="XBZRLE record"):
        codec.decode(record, PAGE)


@CODECS
def test_pages_of_different_sizes_are_refused(codec: ModuleType) -> None:
    """One line that names both."""
    with pytest.raises(InputError, match="pages of 4096 and 3 bytes"):
        codec.encode(PAGE, b"abc", 4096)
