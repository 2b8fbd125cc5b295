"""Mutants of real streams: recordings of three QEMUs, in small, and what can happen to them.

A recording is made small by leaving out most of its pages and most of its sections of pages; what
is left is real, byte for byte, and a whole stream. So a case takes milliseconds, and most of what
happens to it happens near the heads of records.
"""

import struct
from functools import cache
from zlib import crc32

from hypothesis import strategies as st

from migkit.stream import read_stream
from migkit.stream.wire import RAM_SAVE_FLAG_CONTINUE, RAM_SAVE_FLAG_PAGE, RAM_SAVE_FLAG_ZERO
from stream import recorded

MAIN = recorded.named("file", "tcp", "xbzrle", "multifd", "postcopy", "postcopy-preempt")
_PAGE = 4096
_FIRST, _LAST = 8, 4
"""Sections of pages that are kept at the beginning and at the end."""
_WORDS = [0, 1, 0x10, 0x28, 0x22, 0x48, 0x200, 0xFF, 0x7E, 0xFFFF, 0x7FFFFFFF, (1 << 32) - 1]
PATTERNS = [struct.pack(f">{form}", word) for word in _WORDS for form in "BHIQ"
            if word < 1 << 8 * struct.calcsize(form)]  # fmt: skip
PATTERNS += [b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x7e\0\0\0\1", b"\x06\0\0\0\x02{}", b"QEVM"]


class Mutant(bytes):
    """Bytes that are told in few words when a case fails; hypothesis' blob makes them again."""

    def __repr__(self) -> str:
        """Tell how many, and their sum."""
        return f"<{len(self)} B, crc32 {crc32(self):08x}>"


def _page_bytes(data: bytes, at: int) -> int:
    """Return the length of a page record."""
    word = int.from_bytes(data[at : at + 8], "big")
    head = 8 if word & RAM_SAVE_FLAG_CONTINUE else 9 + data[at + 8]
    if word & RAM_SAVE_FLAG_PAGE:
        return head + _PAGE
    if word & RAM_SAVE_FLAG_ZERO:
        return head + 1
    return head + 3 + int.from_bytes(data[at + head + 1 : at + head + 3], "big")


def _thinned(data: bytes, start: int, end: int, pages: list[int]) -> bytes:
    """Leave out most pages of a section: kept are those that name a block, and a few others."""
    if not pages:
        return data[start:end]
    kept = [data[start : pages[0]]]
    for number, at in enumerate(pages):
        names = not data[at + 7] & RAM_SAVE_FLAG_CONTINUE
        if names or number < 3 or number == len(pages) - 1:
            kept.append(data[at : at + _page_bytes(data, at)])
    return b"".join([*kept, data[pages[-1] + _page_bytes(data, pages[-1]) : end]])


@cache
def small(name: str) -> bytes:
    """Return a small main stream of a recording."""
    data, stream = recorded.main(name), recorded.stream(name)
    records, pages = stream.records, stream.pages
    pages = pages[pages["channel"] == "main"]
    offsets = {row: group.tolist() for row, group in pages.groupby("record")["offset"]}
    outside = records[~records["in_package"]]
    parts = outside.index[(outside["name"] == "ram") & (outside["kind"] == "part")]
    left_out = set(parts[_FIRST:-_LAST])
    edges = [*outside["offset"].tolist(), len(data)]
    kept = [data[: edges[0]]]
    for row, start, end in zip(outside.index, edges, edges[1:], strict=False):
        if row not in left_out:
            kept.append(_thinned(data, start, end, offsets.get(row, [])))
    return b"".join(kept)


@cache
def boundaries(name: str) -> list[int]:
    """Return where records begin in a small stream, those inside the package too, and its end."""
    data = small(name)
    offsets = read_stream(data, pages=False).records["offset"]
    return [*sorted({int(offset) for offset in offsets}), len(data)]


@cache
def packets(name: str) -> list[bytes]:
    """Return the multifd channels of a recording with a few packets each."""
    channels = recorded.others(name)
    frame = recorded.stream(name).packets
    return [
        channel[: int(frame.loc[frame["channel_id"] == number, "offset"].iloc[6])]
        for number, channel in enumerate(channels)
    ]


def changed_number(data: bytes, at: int, width: int, how: int) -> bytes:
    """Change a number of so many bytes at a place: what a length field may become."""
    old = int.from_bytes(data[at : at + width], "big")
    most = (1 << 8 * width) - 1
    new = [old + 1, old - 1, 2 * old, old + _PAGE, most, 0, most - old, old << 8][how] & most
    return data[:at] + new.to_bytes(width, "big") + data[at + width :]


@st.composite
def mutants(draw: st.DrawFn, names: list[str]) -> Mutant:
    """Draw a mutant of a small main stream."""
    name = draw(st.sampled_from(names))
    data, edges = small(name), boundaries(name)
    edge = st.sampled_from(edges)
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3)):
        at = min(draw(edge) + draw(st.integers(0, 40)), len(data) - 1)
        at = max(draw(st.sampled_from([at, at, at, draw(st.integers(0, len(data)))])), 0)
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif kind == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            data = changed_number(data, at, width, draw(st.integers(0, 7)))
        elif kind == "pattern":
            what = draw(st.sampled_from(PATTERNS) | st.binary(min_size=1, max_size=12))
            data = data[:at] + what + data[at + draw(st.sampled_from([0, len(what)])) :]
        elif kind == "cut":
            data = data[: draw(st.sampled_from([at, draw(edge)]))]
        elif kind == "splice":
            other = draw(st.sampled_from(names))
            data = data[: draw(edge)] + small(other)[draw(st.sampled_from(boundaries(other))) :]
        else:
            data = _moved(data, kind, sorted([draw(edge), draw(edge)]), draw(edge))
        if not data:
            break
    return Mutant(data)


KINDS = ("flip", "number", "number", "pattern", "cut", "splice", "repeat", "drop", "move")


def _moved(data: bytes, kind: str, span: list[int], to: int) -> bytes:
    """Repeat, drop or move whole records."""
    first, last = span
    records = data[first:last][: 1 << 16]
    if kind == "repeat":
        return data[:to] + records + data[to:]
    rest = data[:first] + data[last:]
    return rest if kind == "drop" else rest[:to] + records + rest[to:]


@st.composite
def mutant_channels(draw: st.DrawFn, name: str) -> list[bytes]:
    """Draw the multifd channels of a recording, one or more of them damaged."""
    channels = list(packets(name))
    frame = recorded.stream(name).packets
    for _ in range(draw(st.integers(1, 3))):
        which = draw(st.integers(0, len(channels) - 1))
        data = channels[which]
        heads = frame.loc[frame["channel_id"] == which, "offset"].iloc[:6].tolist()
        at = draw(st.sampled_from([0, *heads])) + draw(st.integers(0, 400))
        kind = draw(st.sampled_from(["flip", "number", "cut", "repeat", "splice"]))
        if kind == "flip":
            data = changed_number(data, min(at, len(data) - 1), 1, draw(st.integers(0, 7)))
        elif kind == "number":
            data = changed_number(
                data, at, draw(st.sampled_from([2, 4, 8])), draw(st.integers(0, 7))
            )
        elif kind == "cut":
            data = data[:at]
        elif kind == "repeat":
            data = data[:at] + data[draw(st.sampled_from([0, *heads])) :]
        else:
            data = data[:at] + channels[draw(st.integers(0, len(channels) - 1))][at:]
        channels[which] = data or b"\0"
    return [Mutant(channel) for channel in channels]
