"""Page records read in runs, in parts and one by one are the same pages."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import StreamError
from migkit.stream import Stream, page_records, read_stream
from stream.composed import HEADER, PAGE, end, normal, part, start, xbzrle, zero

PAGES = 300
BLOCKS = {"ram": PAGES * PAGE, "rom": PAGES * PAGE}
HEAD = HEADER + start(BLOCKS)


@st.composite
def sections(draw: st.DrawFn) -> list[list[tuple[str, int, int, bool]]]:
    """Draw sections of runs: kind, first page, number, whether the block changes."""
    run = st.tuples(
        st.sampled_from(["normal", "zero", "zero", "xbzrle"]),
        st.integers(0, PAGES - 1),
        st.integers(1, 90),
        st.booleans(),
    )
    return draw(st.lists(st.lists(run, max_size=4), min_size=1, max_size=4))


def written(drawn: list[list[tuple[str, int, int, bool]]]) -> tuple[bytes, list[tuple[int, str]]]:
    """Write the sections, and tell the pages by their number through both blocks."""
    data, pages, block, known = b"", [], "ram", False
    for runs in drawn:
        body = b""
        for kind, first, number, change in runs:
            block = {"ram": "rom", "rom": "ram"}[block] if change else block
            for page in range(first, min(first + number, PAGES)):
                name = block if change or not known else None
                change, known = False, True
                payload = b"\1\1" + bytes([page & 0xFF])
                record = {"normal": normal, "zero": zero}.get(kind)
                body += record(page, name) if record else xbzrle(page, payload, name)
                pages.append((page + (PAGES if block == "rom" else 0), kind))
        data += part(body)
    return HEAD + data + end(b"") + b"\0", pages


def told(stream: Stream) -> tuple[object, ...]:
    frames = (stream.records, stream.rounds, stream.pages)
    return tuple(frame.to_csv() for frame in frames)


@given(sections())
def test_every_way_of_reading_gives_the_pages_that_were_written(
    drawn: list[list[tuple[str, int, int, bool]]],
) -> None:
    data, pages = written(drawn)
    whole = read_stream(data)
    assert list(zip(whole.pages["page"], whole.pages["kind"], strict=True)) == pages
    rounds = [0]
    for (before, _), (page, _) in pairwise(pages):
        rounds.append(rounds[-1] + (page <= before))
    assert whole.pages["round"].tolist() == rounds[: len(pages)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_records, "_STREAK", 1 << 40)
        assert told(read_stream(data)) == told(whole)
        patch.setattr(page_records, "MOST_HELD", 7)
        assert told(read_stream(data)) == told(whole)
        patch.setattr(page_records, "_STREAK", 2)
        assert told(read_stream(data)) == told(whole)


@pytest.mark.parametrize("bad", [20, 100, 5000])
@pytest.mark.parametrize("kind", ["fill", "address", "flags"])
def test_damage_inside_a_run_is_found_where_it_is(kind: str, bad: int) -> None:
    count = 6000
    head = HEADER + start({"ram": count * PAGE})
    body = bytearray(zero(0, "ram") + b"".join(zero(page) for page in range(1, count)))
    at = 4 + 9 * bad
    if kind == "fill":
        body[at + 8] = 1
    elif kind == "address":
        body[at] = 0x10
    else:
        body[at + 6] |= 0x01
    data = head + end(bytes(body)) + b"\0"
    with pytest.raises(StreamError) as caught:
        read_stream(data)
    assert caught.value.offset == len(head) + 5 + at
    assert len(read_stream(data, partial=True).pages) == bad
