"""The order and every resend of each page, and the workload that comes of it."""

import numpy as np
import pytest

import migkit
from migkit.errors import InputError
from migkit.stream import page_history, read_stream, recorded_writes
from stream import recorded
from stream.composed import HEADER, PAGE, end, normal, part, start, xbzrle, zero

MADE = (
    HEADER
    + start({"ram": 8 * PAGE, "rom": 2 * PAGE})
    + part(normal(0, "ram") + zero(1) + normal(2) + zero(0, "rom") + zero(1))
    + part(normal(2, "ram") + xbzrle(5, b"\1\1\7"))
    + part(xbzrle(6, b"\1\1\7"))
    + end(normal(2) + normal(1, "rom"))
    + b"\0"
)


def test_history_by_hand() -> None:
    history = page_history(read_stream(MADE))
    assert history["page"].tolist() == [0, 1, 2, 8, 9, 2, 5, 6, 2, 9]
    assert history["order"].tolist() == list(range(10))
    # Page 6 lies behind page 5: the third section goes on with the sweep of the second.
    assert history["round"].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert history["sent_before"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 2, 1]
    kinds = ["normal", "zero", "normal", "zero", "zero", "normal", "xbzrle", "xbzrle"]
    assert history["kind"].tolist() == [*kinds, "normal", "normal"]
    for offset, page, kind in zip(
        history["offset"], history["page"], history["kind"], strict=True
    ):
        word = int.from_bytes(MADE[offset : offset + 8], "big")
        assert word // PAGE == (page if page < 8 else page - 8)
        assert bool(word & 0x08) == (kind == "normal")


def test_rounds_add_up_by_hand() -> None:
    rounds = read_stream(MADE).rounds
    assert rounds["normal_pages"].tolist() == [2, 1, 2]
    assert rounds["zero_pages"].tolist() == [3, 0, 0]
    assert rounds["xbzrle_pages"].tolist() == [0, 2, 0]
    first = 2 * (8 + PAGE) + 3 * 9 + 4 + 4
    assert rounds["page_bytes"].tolist() == [first, 8 + PAGE + 4 + 2 * 14, 2 * (8 + PAGE) + 4]
    assert rounds["record"].tolist() == [2, 3, 5]


def test_writes_stand_at_the_begin_of_their_round() -> None:
    stream = read_stream(MADE)
    writes = recorded_writes(stream, bandwidth_bytes_per_s=1e9)
    begins = stream.rounds["offset"].tolist()
    assert writes.page.tolist() == [2, 2]
    assert writes.t_ns.tolist() == [begins[1], begins[2]]
    assert recorded_writes(stream, 1e6, "rom").page.tolist() == [1]


@pytest.mark.parametrize("name", recorded.named("tcp", "multifd"))
def test_the_resent_pages_are_those_the_guest_writes(name: str) -> None:
    history = page_history(recorded.stream(name))
    again = history[(history["sent_before"] > 0) & (history["page"] < 4096)]
    assert again["page"].nunique() >= 40
    hot = again["page"].value_counts()
    assert len(hot[hot > 5]) >= 40  # 40 pages are rewritten all the time
    assert hot.index[hot > 5].isin(range(1024, 1084)).sum() >= 40


@pytest.mark.parametrize("name", recorded.named("tcp"))
def test_a_stream_feeds_a_simulation(name: str) -> None:
    told = recorded.expected(name)["query_migrate"]
    rate = told["ram"]["transferred"] / (told["total-time"] / 1000)
    writes = recorded_writes(recorded.stream(name), rate)
    run = migkit.simulate(memory="16MiB", bandwidth="1MiB/s", workload=writes)
    assert run.outcome == "completed"
    assert run.rounds["new_dirty_pages"].sum() > 0
    assert len(np.unique(writes.page)) >= 40


def test_what_has_no_history_is_refused() -> None:
    without = read_stream(MADE, pages=False)
    with pytest.raises(InputError, match="no page records"):
        page_history(without)
    with pytest.raises(InputError, match="bandwidth 0 B/s"):
        recorded_writes(read_stream(MADE), 0)
    with pytest.raises(InputError, match="not in the stream"):
        recorded_writes(read_stream(MADE), 1, "vga")
    idle = read_stream(HEADER + start({"ram": PAGE}) + end(zero(0, "ram")) + b"\0")
    with pytest.raises(InputError, match="no page was sent twice"):
        recorded_writes(idle, 1)


def test_pages_are_not_kept_when_not_asked_for() -> None:
    kept, without = read_stream(MADE), read_stream(MADE, pages=False)
    assert without.records.equals(kept.records)
    assert without.rounds.equals(kept.rounds)
    assert without.counters == kept.counters
    assert without.pages.empty


def test_a_page_map_by_hand() -> None:
    stream = read_stream(MADE)
    pages = stream.page_map("ram")
    assert pages.index.tolist() == [0, 1, 2, 5, 6]
    assert pages["times"].tolist() == [1, 1, 3, 1, 1]
    assert pages["kind"].tolist() == ["normal", "zero", "normal", "xbzrle", "xbzrle"]
    assert pages["round"].tolist() == [0, 0, 2, 1, 1]
    assert stream.page_map("rom")["times"].tolist() == [1, 2]
    with pytest.raises(InputError, match="block rm · not in the stream"):
        stream.page_map("rm")
