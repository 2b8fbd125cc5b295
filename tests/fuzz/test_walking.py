"""Mutants that come in pieces, as a tap reads them: counted as far as they are understood."""

from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import begin, share
from fuzz.mutants import MAIN, mutant_channels, mutants, small
from migkit.errors import StreamError
from migkit.stream import Stream, read_stream
from migkit.stream.walker import Walker
from migkit.tap.counts import Counts
from stream import recorded

SIZES = st.sampled_from([1, 7, 97, 1000, 4096, 65_536, 1 << 20])


def walked(main: bytes, others: list[bytes], size: int) -> tuple[Walker, Counts, Stream]:
    """Follow channels in pieces of a size, or of 200 pieces where that would be too many."""
    begin()
    counts = Counts()
    walker = counts.walker = Walker(pages=True, observer=counts)
    channels = [(walker.channel(), data) for data in (main, *others)]
    for channel, data in channels:
        step = max(size, len(data) // 200 + 1)
        for at in range(0, len(data), step):
            counts.tick()
            channel.feed(data[at : at + step])
            counts.main_came(channel.came, counts.now_ns)
    for channel, _ in channels:
        channel.finish()
    return walker, counts, walker.stream("fuzz")


def check(main: bytes, others: list[bytes], size: int) -> Stream:
    """Check what is counted of channels."""
    walker, counts, stream = walked(main, others, size)
    assert (stream.error is None) == (walker.error is None)
    assert counts.pages_seen == sum(map(sum, counts.intervals.values()))
    most = sum(map(len, (main, *others)))
    assert len(stream.pages) <= most // 8
    assert len(counts.sections) == len(stream.records)
    return stream


@share("walking: main streams")
@given(mutants(MAIN), SIZES)
def test_main_streams(data: bytes, size: int) -> None:
    stream = check(data, [], size)
    try:
        whole = read_stream(data, partial=True)
    except StreamError:
        return
    # Read at once, a section's length is told by the description of devices; in pieces, by the
    # footer that is found. Where both find the same records they count the same.
    places = [s.records["offset"].tolist() for s in (stream, whole)]
    if places[0] == places[1] and stream.error is None and whole.error is None:
        assert stream.counters == whole.counters
        assert stream.trailing_bytes == whole.trailing_bytes


@share("walking: multifd")
@given(st.sampled_from(recorded.named("multifd")), SIZES, st.data())
def test_multifd_channels(name: str, size: int, data: st.DataObject) -> None:
    main = small(name)
    if data.draw(st.booleans()):
        main = data.draw(mutants([name]))
    check(main, data.draw(mutant_channels(name)), max(size, 1000))


@share("walking: two streams")
@given(mutants(MAIN), mutants(MAIN), SIZES)
def test_a_stream_as_a_channel_of_another(main: bytes, other: bytes, size: int) -> None:
    check(main, [other], size)
