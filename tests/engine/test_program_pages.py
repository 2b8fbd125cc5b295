"""The pages of the captures' guest, byte for byte, and xbzrle on a capture of it."""

from __future__ import annotations

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import Scenario, datasets, simulate
from migkit.guest.writes import Writes
from migkit.oracle.program_pages import ProgramPages, offset_of
from migkit.oracle.writers import make_writer
from migkit.oracle.xbzrle import encode
from migkit.workloads import HotCold, Sequential, Uniform

PROGRAMS = st.sampled_from([Sequential, Uniform, HotCold]).flatmap(
    lambda kind: st.builds(
        kind,
        pages=st.just(30),
        base_page=st.sampled_from([0, 5]),
        rate_pages_per_s=st.just(2000),
        seed=st.integers(0, 5),
        generator=st.just("xorshift32"),
        total_pages=st.sampled_from([0, 10, 30]),
        writes=st.just(Writes.parse("count")),
        **({"hot_pages": st.just(4), "hot_percent": st.just(80)} if kind is HotCold else {}),
    )
)


@given(spec=PROGRAMS, late=st.booleans())
def test_program_pages_are_fill_and_stores(spec, late: bool) -> None:
    """A page holds the program's numbers, and the running count where it was put last."""
    lead_ns = 1_000_000_000 if late else 0
    pages = ProgramPages(spec, lead_ns)
    writes = list(make_writer(spec).take(lead_ns - 1))
    assert len(writes) == (1998 if late else 0)
    for page, _, number in writes[-10:]:
        at = offset_of(number)
        assert pages.page(page)[at : at + 4] == number.to_bytes(4, "little")


def test_store_of_the_program_is_a_record_of_seven_bytes() -> None:
    """Four bytes behind 128 equal ones: 2 + 1 + 4; earlier 1 + 1 + 4."""
    spec = Uniform(
        pages=4,
        rate_pages_per_s=1,
        generator="xorshift32",
        total_pages=4,
        writes=Writes.parse("count"),
    )
    pages = ProgramPages(spec, 0)
    for first, last, usual in ((16, 512, 7), (1, 16, 6)):
        found = []
        for place in range(first, last):
            before = pages.page(1)
            pages.store(1, place + (0x04030201 << 9))
            found.append(len(encode(before, pages.page(1), 4096)))
        assert statistics.mode(found) == usual


# Records of a real stream (QEMU 10.2.2, 60 pages filled, 40 of them written at 400 pages/s, seed
# 7): page, number of the last write in the copy and in the page sent, the record's bytes.
REAL_RECORDS = (
    (1024, 221, 414, "d011041a0100009c01042e010000bc0104460100003d03010000fc04049e010000"),
    (1025, 242, 422, "d810040b010000bc030443010000cc01045d010000c40404a6010000"),
    (1025, 422, 466, "901d04d2010000"),
    (1024, 414, 467, "981d04d3010000"),
    (1025, 466, 469, "a81d04d5010000"),
    (1025, 476, 543, "f801041f020000"),
    (1024, 467, 573, "800304300200001c043402000044043d020000"),
    (1025, 580, 595, "98050453020000"),
)


@pytest.mark.parametrize(("page", "copied", "sent", "record"), REAL_RECORDS)
def test_records_of_a_real_stream(page: int, copied: int, sent: int, record: str) -> None:
    """The model's page then and now give the very bytes that QEMU sent."""
    spec = Uniform(
        pages=40,
        total_pages=60,
        base_page=1024,
        rate_pages_per_s=400,
        seed=7,
        generator="xorshift32",
        writes=Writes.parse("count"),
    )
    pages = ProgramPages(spec, 0)
    then = b""
    for written, _, number in make_writer(spec).take(3_000_000_000):
        if number > sent:
            break
        pages.store(written, number)
        if number == copied:
            then = pages.page(page)
    assert encode(then, pages.page(page), 4096) == bytes.fromhex(record)


def test_capture_with_xbzrle() -> None:
    """Bytes of precopy to the byte; the rest within what four recordings differ by."""
    folder = datasets.capture_folder("xbzrle")
    real = json.loads((folder / "result.json").read_text())["query_migrate_source"]
    repeats = json.loads((folder / "repeats.json").read_text())
    twin = simulate(Scenario.from_capture(folder)).summary
    ram = twin["ram"]
    assert ram["precopy-bytes"] == real["ram"]["precopy-bytes"] == repeats[0]["precopy_bytes"]
    assert ram["duplicate"] == real["ram"]["duplicate"]
    ends = [real["ram"]["downtime-bytes"], *(row["downtime_bytes"] for row in repeats)]
    assert min(ends) - 60_000 <= ram["downtime-bytes"] <= max(ends) + 60_000
    cache, measured = twin["xbzrle-cache"], real["xbzrle-cache"]
    assert cache["pages"] == pytest.approx(measured["pages"], rel=0.03)
    assert cache["cache-miss"] == pytest.approx(measured["cache-miss"], rel=0.003)
    assert cache["bytes"] == pytest.approx(measured["bytes"], rel=0.03)
    for name in ("overflow", "cache-miss-rate", "encoding-rate", "cache-size"):
        assert cache[name] == measured[name]
    assert twin["total-time"] == pytest.approx(real["total-time"], rel=0.001)
    assert abs(twin["downtime"] - real["downtime"]) < 10
