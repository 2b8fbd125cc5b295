"""Mutants of real streams are read, or refused with the offset and the record: nothing else."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import CASES, begin, share
from fuzz.mutants import MAIN, boundaries, changed_number, mutant_channels, mutants, small
from migkit.errors import StreamError
from migkit.stream import Stream, read_stream
from migkit.stream.views import report
from stream import recorded


def read(data: bytes, **more: Any) -> Stream | None:
    """Read a stream, or check how it is refused."""
    begin()
    try:
        return read_stream(data, **more)
    except StreamError as found:
        error = found
    parts = [data, more.get("return_path", b""), *more.get("channels", ())]
    assert 0 <= error.offset <= max(map(len, parts))
    assert error.record
    return None


def test_a_nightly_run_has_enough_cases() -> None:
    assert sum(CASES.values()) >= 100_000
    kinds = {name.partition(":")[0] for name in CASES}
    assert kinds == {"reading", "walking", "replying", "receiving", "tapping"}


def test_small_streams_are_whole() -> None:
    for name in MAIN:
        data = small(name)
        assert len(data) < 1 << 19
        stream = read_stream(data)
        kinds = [set(s.records["kind"]) for s in (stream, recorded.stream(name))]
        assert kinds[0] == kinds[1]
        assert len(stream.devices) == len(recorded.stream(name).devices)
        assert len(boundaries(name)) > 30


@share("reading: main streams")
@given(mutants(MAIN))
def test_main_streams(data: bytes) -> None:
    part = read(data, partial=True)
    if part is None:
        assert read(data) is None
        return
    records, pages = part.records, part.pages
    assert len(records) <= len(data) // 5 + 2
    assert len(pages) <= len(data) // 9
    assert records[["normal_pages", "zero_pages", "xbzrle_pages"]].sum().sum() == len(pages)
    assert records["offset"].is_monotonic_increasing


@share("reading: what is told")
@given(mutants(MAIN))
def test_what_is_told_of_them(data: bytes) -> None:
    part = read(data, partial=True, pages=False)
    if part is not None:
        assert report(part)
        assert part.device_fields is not None


@share("reading: breaking off")
@given(st.sampled_from(MAIN), st.data())
def test_a_stream_that_breaks_off(name: str, data: st.DataObject) -> None:
    """At each boundary of a record, and a little before and behind it."""
    whole = small(name)
    edge = data.draw(st.sampled_from(boundaries(name)))
    cut = max(0, min(len(whole), edge + data.draw(st.integers(-9, 9))))
    part = read(whole[:cut], partial=True)
    assert part is not None
    assert len(part.records) <= sum(at <= cut for at in boundaries(name))


@share("reading: multifd")
@given(st.sampled_from(recorded.named("multifd")), st.data())
def test_multifd_channels(name: str, data: st.DataObject) -> None:
    channels = data.draw(mutant_channels(name))
    read(small(name), channels=channels, pages=data.draw(st.booleans()))


@share("reading: mapped-ram")
@given(st.sampled_from(recorded.named("mapped-ram")), st.data())
def test_mapped_ram_files(name: str, data: st.DataObject) -> None:
    """Change the heads of the file, of its blocks and of its bitmaps, and what stands behind."""
    spoilt = recorded.main(name)
    offsets = recorded.stream(name).records["offset"].tolist()
    for _ in range(data.draw(st.integers(1, 3))):
        at = min(int(data.draw(st.sampled_from(offsets))), len(spoilt) - 9)
        at = min(at + data.draw(st.integers(0, 200)), len(spoilt) - 9)
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        spoilt = changed_number(spoilt, at, width, data.draw(st.integers(0, 7)))
    if data.draw(st.booleans()):
        spoilt = spoilt[: data.draw(st.integers(0, len(spoilt)))]
    read(spoilt, partial=data.draw(st.booleans()))
