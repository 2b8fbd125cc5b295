"""Damaged streams of real QEMUs: read, or refused with a `StreamError`; nothing else.

These are whole streams, of megabytes; ``make fuzz`` damages small ones more than 10^5 times.
"""

import struct
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import StreamError
from migkit.stream import Stream, read_stream
from migkit.stream.views import report
from stream import recorded

SMALL = recorded.named("file", "tcp", "postcopy", "multifd")
WORDS = [0, 1, 0x10, 0x28, 0x22, 0x48, 0x200, 0xFF, 0x7E, 0xFFFF, 0x7FFFFFFF, (1 << 32) - 1]
PATTERNS = [struct.pack(f">{form}", word) for word in WORDS for form in "BHIQ"
            if word < 1 << 8 * struct.calcsize(form)]  # fmt: skip
PATTERNS += [b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x7e\0\0\0\1", b"\x06\0\0\0\x02{}"]

Change = tuple[str, int, bytes]


@cache
def places(name: str) -> list[int]:
    """Return where records of a main stream begin."""
    return [int(offset) for offset in recorded.stream(name).records["offset"]]


@st.composite
def changes(draw: st.DrawFn, name: str, size: int) -> list[Change]:
    """Draw what happens to a stream, most of it near the heads of records."""
    near = st.builds(
        lambda at, by: min(at + by, size - 1), st.sampled_from(places(name)), st.integers(0, 40)
    )
    at = near | st.integers(0, size - 1)
    kinds = st.sampled_from(["overwrite", "overwrite", "insert", "cut", "drop"])
    what = st.sampled_from(PATTERNS) | st.binary(min_size=1, max_size=12)
    return draw(st.lists(st.tuples(kinds, at, what), min_size=1, max_size=4))


def changed(data: bytes, happened: list[Change]) -> bytes:
    spoilt = bytearray(data)
    for kind, at, what in happened:
        if kind == "overwrite":
            spoilt[at : at + len(what)] = what
        elif kind == "insert":
            spoilt[at:at] = what
        elif kind == "drop":
            del spoilt[at : at + len(what)]
        else:
            del spoilt[at + 1 :]
    return bytes(spoilt)


def read(data: bytes, **more: Any) -> Stream | None:
    """Read a stream, or check how it is refused."""
    try:
        return read_stream(data, **more)
    except StreamError as found:
        error = found
    parts = [data, more.get("return_path", b""), *more.get("channels", ())]
    assert 0 <= error.offset <= max(map(len, parts))
    assert error.record
    return None


@given(st.data())
def test_damaged_main_streams(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SMALL))
    whole = recorded.main(name)
    spoilt = changed(whole, data.draw(changes(name, len(whole))))
    stream = read(spoilt)
    part = read(spoilt, partial=True)
    if part is None:
        assert stream is None
        return
    assert (part.error is None) == (stream is not None)
    records, pages = part.records, part.pages
    assert len(records) <= len(spoilt) // 5 + 2
    assert len(pages) <= len(spoilt) // 9
    assert records[["normal_pages", "zero_pages", "xbzrle_pages"]].sum().sum() == len(pages)
    assert records["offset"].is_monotonic_increasing


@given(st.data())
def test_damaged_streams_are_shown(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SMALL))
    whole = recorded.main(name)
    part = read(changed(whole, data.draw(changes(name, len(whole)))), partial=True, pages=False)
    if part is not None:
        assert report(part)
        assert part.device_fields is not None


@given(st.data())
def test_damaged_multifd_channels(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(recorded.named("multifd")))
    channels = recorded.others(name)
    which = data.draw(st.integers(0, len(channels) - 1))
    size = len(channels[which])
    at = st.integers(0, min(size - 1, 4000)) | st.integers(0, size - 1)
    what = st.sampled_from(PATTERNS) | st.binary(min_size=1, max_size=12)
    kinds = st.sampled_from(["overwrite", "insert", "drop", "cut"])
    happened = data.draw(st.lists(st.tuples(kinds, at, what), min_size=1, max_size=3))
    spoilt = [changed(c, happened) if n == which else c for n, c in enumerate(channels)]
    read(recorded.main(name), channels=spoilt, pages=False)


@given(st.data())
def test_damaged_replies(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(recorded.named("postcopy")))
    whole = recorded.return_path(name)
    at = st.integers(0, len(whole) - 1)
    what = st.sampled_from(PATTERNS) | st.binary(min_size=1, max_size=12)
    kinds = st.sampled_from(["overwrite", "insert", "drop"])
    happened = data.draw(st.lists(st.tuples(kinds, at, what), min_size=1, max_size=4))
    read(b"QEVM\0\0\0\3\0", return_path=changed(whole, happened))


@given(st.binary(max_size=400), st.sampled_from(["", "head", "ram", "channel"]))
def test_bytes_of_chance(noise: bytes, behind: str) -> None:
    whole = recorded.main("10.2-file")
    if behind == "channel":
        read(whole, channels=[noise], pages=False)
    else:
        read(whole[: {"": 0, "head": 27, "ram": 27 + 170}[behind]] + noise, partial=True)
