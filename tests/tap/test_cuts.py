"""A cut is exact: the destination has all that stands before the event, and nothing behind it."""

import time

import pytest

from migkit.errors import InputError
from migkit.tap import Cut, Tap, parse_cut
from stream import recorded
from stream.composed import HEADER, PAGE, command, end, normal, part, start, zero
from tap.wire import LIMIT_S, Destination, connected, received, send, until

RAM = HEADER + start({"ram": 600 * PAGE})
PACKAGE = command(5)
OPENED = command(7, len(PACKAGE).to_bytes(4, "big")) + PACKAGE


def passed(data: bytes, *, cut: str, latency: str | None = None) -> tuple[bytes, Tap]:
    """Send a stream through a tap that cuts it; return what arrived."""
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, cut=cut, latency=latency) as tap,
    ):
        source = connected(tap.address)
        send(source, data)
        received(source)
        assert tap.wait(LIMIT_S, linger_s=0.05)
        destination.join()
    return bytes(destination.received[0]), tap


@pytest.mark.parametrize("latency", [None, "30ms"])
@pytest.mark.parametrize("name", recorded.named("tcp"))
def test_a_cut_in_save_complete_stands_before_its_section(name: str, latency: str | None) -> None:
    main = recorded.main(name)
    records = recorded.stream(name).records
    complete = records[(records["name"] == "ram") & (records["kind"] == "end")]
    arrived, tap = passed(main, cut="save_complete", latency=latency)
    assert arrived == main[: int(complete["offset"].iloc[0])]
    result = tap.result()
    assert result.outcome == "cut"
    assert result.cut_ns is not None
    assert result.pages_in_complete == 0


@pytest.mark.parametrize(("pages", "kept"), [(1, 1), (3, 3), (5, 5), (200, 200)])
def test_a_cut_in_postcopy_stands_behind_a_page(pages: int, kept: int) -> None:
    before = RAM + part(normal(1, "ram") + zero(2)) + OPENED
    bodies = [normal(10) + zero(11), zero(12), normal(13), b"".join(map(normal, range(20, 400)))]
    ends = [zero(n) if n in {11, 12} else normal(n) for n in (10, 11, 12, 13, *range(20, 400))]
    stream = before + b"".join(part(body) for body in bodies) + end(b"") + b"\0"
    arrived, tap = passed(stream, cut=f"postcopy:{pages}")
    last = ends[kept - 1]
    assert arrived == stream[: stream.index(last, len(before)) + len(last)]
    counters = tap.result().qemu_counts
    assert counters["normal_pages"] + counters["duplicate_pages"] == 2 + kept


def test_a_cut_after_more_pages_than_there_are_never_comes() -> None:
    stream = RAM + part(normal(1, "ram")) + OPENED + part(normal(2)) + end(b"") + b"\0"
    arrived, tap = passed(stream, cut="postcopy:2")
    assert arrived == stream
    assert not tap.was_cut
    assert tap.result().outcome == "complete"


@pytest.mark.parametrize("cut", ["postcopy:2", "save_complete"])
def test_a_stream_that_breaks_off_before_the_event_arrives_as_it_is(cut: str) -> None:
    whole = RAM + part(normal(1, "ram")) + OPENED + part(normal(2))
    for left_out in (1, 7, PAGE, len(whole) - len(RAM) + 3):
        arrived, tap = passed(whole[:-left_out], cut=cut)
        assert arrived == whole[:-left_out]
        assert not tap.was_cut


@pytest.mark.parametrize("count", [1, 4096, 100_000])
def test_a_cut_after_bytes_lets_exactly_those_pass(count: int) -> None:
    main = recorded.main(recorded.named("tcp")[0])
    arrived, tap = passed(main, cut=f"bytes:{count}")
    assert arrived == main[:count]
    assert tap.result().to_dict()["bytes_to_destination"] == count


def test_a_cut_after_a_time_comes_after_that_time() -> None:
    stream = RAM + part(normal(1, "ram"))
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, cut="time:200ms") as tap,
    ):
        source = connected(tap.address)
        begin = time.monotonic()
        source.sendall(stream)
        assert received(source) == b""
        assert time.monotonic() - begin >= 0.2
        destination.join()
    assert bytes(destination.received[0]) == stream
    assert tap.result().outcome == "cut"


def test_after_a_cut_a_recovery_passes_and_goes_on() -> None:
    first = RAM + part(normal(1, "ram")) + OPENED + part(normal(2))
    second = command(9) + part(zero(3, "ram")) + end(normal(4)) + b"\0"
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, cut="postcopy:1") as tap,
    ):
        source = connected(tap.address)
        send(source, first + part(normal(9)))
        received(source)
        assert tap.wait_for_cut(LIMIT_S)
        again = connected(tap.address)
        send(again, second)
        assert received(again) == b""
        assert tap.wait(LIMIT_S)
        destination.join()
    assert bytes(destination.received[1]) == second
    result = tap.result()
    assert result.outcome == "complete"
    assert result.cut == Cut("postcopy", 1)
    assert result.qemu_counts["normal_pages"] == 3
    assert result.qemu_counts["duplicate_pages"] == 1
    assert result.sections["connection"].max() == 1
    assert result.connections["kind"].tolist() == ["main", "main"]


def test_after_a_cut_connections_are_refused_where_asked() -> None:
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, cut="bytes:100", after_cut="refuse") as tap,
    ):
        address = tap.address
        source = connected(address)
        send(source, RAM + part(normal(1, "ram")))
        received(source)
        assert tap.wait(LIMIT_S)
        with pytest.raises(ConnectionError):
            connected(address)


def test_a_cut_by_hand_breaks_all_connections() -> None:
    with Destination() as destination, Tap("tcp:127.0.0.1:0", destination.address) as tap:
        sources = [connected(tap.address) for _ in range(3)]
        for source in sources:
            source.sendall(RAM)
        assert until(lambda: [bytes(d) for d in destination.received] == [RAM] * 3)
        tap.cut_now()
        assert [received(source) for source in sources] == [b""] * 3
        assert tap.was_cut


def test_leaving_a_tap_closes_all_connections() -> None:
    with Destination() as destination:
        with Tap("tcp:127.0.0.1:0", destination.address) as tap:
            source = connected(tap.address)
            source.sendall(RAM)
            assert until(lambda: tap.passed[0] == len(RAM))
        with source:
            assert received(source) == b""
        with pytest.raises(ConnectionError):
            connected(tap.address)
        destination.join()
    assert tap.result().outcome == "broken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("save-complete", "did you mean save_complete"),
        ("save_complete:3", "allowed save_complete, postcopy:PAGES, time:DURATION, bytes:SIZE"),
        ("postcopy", "give an amount above 0"),
        ("postcopy:0", "give an amount above 0"),
        ("postcopy:-1", "give an amount above 0"),
        ("time:0", "give an amount above 0"),
        ("time:3", "a unit is missing"),
        ("bytes:0", "give an amount above 0"),
        ("never", "use one of: save_complete"),
    ],
)
def test_an_unknown_event_is_one_clear_error(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_cut(text)


@pytest.mark.parametrize("text", ["save_complete", "postcopy:7", "bytes:4096", "time:5ns"])
def test_an_event_reads_as_it_is_written(text: str) -> None:
    assert str(parse_cut(text)) == text
