"""A stream followed in pieces of any size tells what the whole tells."""

import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migkit.errors import StreamError
from migkit.stream import Stream, read_stream
from migkit.stream.walker import Observer, Walker
from stream import recorded
from stream.composed import (
    EOS,
    HEADER,
    PAGE,
    command,
    end,
    footer,
    full,
    normal,
    part,
    start,
    zero,
)

FRAMES = ("records", "rounds", "blocks", "packets", "discards", "messages", "pages")
SOCKETS = [name for name, kind in recorded.KINDS.items() if kind != "mapped-ram"]
RAM = start({"ram": 64 * PAGE})


def borders(length: int) -> st.SearchStrategy[list[int]]:
    """Give sizes of pieces that make up so many bytes."""
    cuts = st.sets(st.integers(1, length - 1), max_size=60).map(sorted)
    return cuts.map(lambda at: [b - a for a, b in zip([0, *at], [*at, length], strict=True)])


def chopped(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, again and again."""
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def walked(main: bytes, others: list[bytes], back: bytes, sizes: list[int]) -> Walker:
    """Follow all channels, their pieces in turn."""
    walker = Walker(pages=True)
    feeds = [(walker.channel(), chopped(main, sizes))]
    feeds += [(walker.channel(), chopped(data, sizes)) for data in others]
    feeds += [(walker.channel(to_source=True), chopped(back, sizes))]
    for turn in range(max(len(pieces) for _, pieces in feeds)):
        for channel, pieces in feeds:
            if turn < len(pieces):
                channel.feed(pieces[turn])
    for channel, _ in feeds:
        channel.finish()
    return walker


def check_same(found: Stream, whole: Stream, *, frames: tuple[str, ...] = FRAMES) -> None:
    for name in frames:
        one, other = getattr(found, name), getattr(whole, name)
        if name == "packets":  # in the order in which they came
            one, other = (
                f.sort_values(["channel_id", "offset"], ignore_index=True) for f in (one, other)
            )
        pd.testing.assert_frame_equal(one, other)
    assert found.counters == whole.counters
    assert found.configuration == whole.configuration
    assert found.ram_blocks == whole.ram_blocks
    assert (found.size, found.trailing_bytes) == (whole.size, whole.trailing_bytes)
    assert found.save_complete_pages == whole.save_complete_pages


@pytest.mark.parametrize("name", SOCKETS)
def test_pieces_of_a_recorded_stream_tell_what_the_whole_tells(name: str) -> None:
    whole = recorded.stream(name)
    back = b"" if whole.messages.empty else recorded.return_path(name)
    sizes = random.Random(name).choices(range(1, 400_000), k=20)
    walker = walked(recorded.main(name), recorded.others(name), back, sizes)
    assert walker.error is None
    check_same(walker.stream(whole.name), whole)


BODY = b"".join(zero(n, "ram" if n == 9 else None) + normal(n + 1) for n in range(9, 40, 2))
PACKAGE = (
    command(3, (4096).to_bytes(8, "big") * 2) + full("timer", b"\x7e" + bytes(30), 3) + command(5)
)
COMPOSED = (
    HEADER + command(1) + command(3, (4096).to_bytes(8, "big") * 2) + RAM
    + part(BODY) + part(normal(3)) + full("slirp", bytes(300) + footer(7), 7)
    + command(7, len(PACKAGE).to_bytes(4, "big")) + PACKAGE + part(zero(4)) + end(normal(5))
    + b"\0" + b"\x06\0\0\0\x02{}"
)  # fmt: skip


@given(borders(len(COMPOSED)))
@settings(max_examples=60, deadline=None)
def test_counts_do_not_depend_on_how_bytes_are_split(sizes: list[int]) -> None:
    walker = walked(COMPOSED, [], b"", sizes)
    assert walker.error is None
    check_same(walker.stream("stream"), read_stream(COMPOSED))


def test_every_byte_may_come_alone() -> None:
    walker = walked(COMPOSED, [], b"", [1])
    assert walker.error is None
    check_same(walker.stream("stream"), read_stream(COMPOSED))


@given(st.integers(4, len(COMPOSED) - 10), borders(len(COMPOSED)))
@settings(max_examples=100, deadline=None)
def test_a_stream_that_breaks_off_is_told_as_far_as_it_goes(cut: int, sizes: list[int]) -> None:
    whole = read_stream(COMPOSED[:cut], partial=True)
    walker = walked(COMPOSED[:cut], [], b"", sizes)
    if whole.error is None:
        assert walker.error is None
    else:
        assert str(walker.error).split(" · ")[0] == str(whole.error).split(" · ")[0]
    check_same(walker.stream("stream"), whole)


@given(
    st.integers(0, len(COMPOSED) - 1),
    st.integers(0, 255),
    borders(len(COMPOSED)),
)
@settings(max_examples=100, deadline=None)
def test_damage_ends_the_walk_of_a_channel_and_nothing_else(
    at: int, value: int, sizes: list[int]
) -> None:
    damaged = COMPOSED[:at] + bytes([value]) + COMPOSED[at + 1 :]
    walker = walked(damaged, [], b"", sizes)
    assert walker.error is None or isinstance(walker.error, StreamError)
    assert walker.stream("stream").counters["normal"] >= 0


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_recordings_end_a_walk_with_an_error_at_worst(data: st.DataObject) -> None:
    """No crash, no hang: every channel of a real migration, damaged, in pieces, in turn."""
    name = data.draw(st.sampled_from(recorded.named("tcp", "multifd", "postcopy-preempt")))
    main = bytearray(recorded.main(name)[: data.draw(st.integers(1, 300_000))])
    channels = [main, *(bytearray(found[:200_000]) for found in recorded.others(name))]
    for channel in channels:
        for at in data.draw(st.lists(st.integers(0, max(len(channel) - 1, 0)), max_size=4)):
            channel[at : at + 1] = data.draw(st.binary(max_size=9))
    sizes = data.draw(st.lists(st.sampled_from([1, 9, 4104, 70_000]), min_size=1, max_size=5))
    sizes = [*sizes, 70_000]
    walker = walked(bytes(main), [bytes(found) for found in channels[1:]], b"", sizes)
    counted = walker.stream("stream")
    assert counted.counters["transferred"] >= 0
    assert counted.size <= sum(map(len, channels))


@pytest.mark.parametrize("name", recorded.named("multifd"))
def test_a_multifd_channel_may_end_before_the_main_stream_begins(name: str) -> None:
    walker = Walker()
    for data in (*recorded.others(name), recorded.main(name)):
        channel = walker.channel()
        channel.feed(data)
        channel.finish()
    assert walker.error is None
    assert walker.stream("stream").counters == recorded.stream(name).counters


def test_little_is_held_of_a_large_section() -> None:
    walker = Walker()
    main = walker.channel()
    main.feed(HEADER + start({"ram": 1 << 40}) + b"\x02\0\0\0\1" + normal(0, "ram"))
    for first in range(1, 40_000, 500):
        main.feed(b"".join(normal(page) for page in range(first, first + 500)))
        assert main.came - main.settled < PAGE
    assert len(main._buffer) == 1 << 21
    main.feed(EOS + footer(1) + end(b"") + b"\0")
    main.finish()
    assert walker.error is None
    assert walker.stream("stream").counters["normal"] == 40_001


class Counting(Observer):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def pages(self, channel: str, pages: object, kinds: object, lengths: object) -> None:
        self.seen += list(pages)  # type: ignore[call-overload]


def test_an_observer_sees_each_page_when_asked() -> None:
    observer = Counting()
    walker = Walker(observer=observer)
    main = walker.channel()
    main.feed(HEADER + RAM + b"\x02\0\0\0\1" + normal(7, "ram") + zero(8) + normal(9)[:100])
    main.flush()
    assert observer.seen == [7, 8]


@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_a_walk_stops_before_the_section_that_save_complete_writes(size: int) -> None:
    stream = HEADER + RAM + part(normal(3, "ram")) + end(normal(4)) + b"\0"
    walker = Walker()
    walker.main.stop_before = lambda kind, name: kind == "end"
    main = walker.channel()
    for piece in chopped(stream, [size]):
        main.feed(piece)
    assert main.stopped
    assert main.settled == stream.index(b"\x03\0\0\0\1")
