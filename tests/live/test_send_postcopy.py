"""Postcopy as a source of ours does it, judged by the reader of QEMU's streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.send_peer import POSTCOPY_END, RUN, SIZE, TIMER, Peer, contents, holding, save_guest
from migkit.frame_rows import frame_rows
from migkit.live import Sent, send
from migkit.stream import Stream, read_stream
from migkit.stream.wire import COMMAND
from migkit.stream.writing_messages import (
    RequestWriter,
    pong,
    received_bitmap,
    resume_ack,
)

MEMORY = {"pc.ram": contents(1200, 300), "rom": contents(30, 2, seed=6)}
PAGES = 1532
SLOW = {"max-bandwidth": 10 << 20, "max-postcopy-bandwidth": 10 << 20}
"""A window has 32 flushes of 32 pages: the guest is on its way for two of them."""
FAR = (1199, 3, 700)
"""Pages that are asked for as soon as the guest runs there."""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


class Answers:
    """Says what a destination says: PONGs, and requests once the guest runs."""

    def __init__(self, pages: tuple[int, ...] = FAR) -> None:
        self.pages, self.runs, self.requests = pages, False, RequestWriter()

    def __call__(self, peer: Peer) -> None:
        if not peer.said:
            peer.say(pong(1))
        if not self.runs and RUN in peer.data:
            self.runs = True
            peer.say(pong(3) + pong(0x42))
            for page in self.pages:
                peer.request(self.requests, "pc.ram", page)


def sent_to(peer: Peer, saved: Path, **more: object) -> Sent:
    pages = getattr(peer.script, "pages", ())
    values: dict[str, object] = {"postcopy_at_s": 0.05, "parameters": SLOW} | more
    # The source goes on when what is asked for at once has come, as it does between machines.
    values.setdefault("progress", holding(len(pages)))
    return send(saved, peer.uri, **values)  # type: ignore[arg-type]


def read(peer: Peer) -> Stream:
    data = peer.join()
    return read_stream(data, channels=[bytes(o) for o in peer.others], return_path=peer.said)


def after_package(stream: Stream) -> list[int]:
    """Return the pages of postcopy's main stream in their order."""
    records = stream.records
    opened = records.index[records["name"] == "PACKAGED"][0]
    pages = stream.pages[stream.pages["channel"] == "main"]
    return pages.loc[pages["record"] > opened, "page"].tolist()


def test_each_page_comes_once_and_what_is_asked_for_comes_first(
    tmp_path: Path, saved: Path
) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers())
    sent = sent_to(peer, saved)
    stream = read(peer)
    later = after_package(stream)
    assert sent.outcome == "completed"
    assert sorted(stream.pages["page"]) == list(range(PAGES))
    asked = [page for page in FAR if page in later]
    assert asked  # page 3 went out before the switch
    place = {page: later.index(page) for page in asked}
    # The first is served at the next window at the latest, long before the sweep reaches it.
    assert place[1199] <= 1 + 32 * 32
    assert later[place[1199] + 1 :][:1] in ([700], [1200])  # the next request, or what follows
    requests = sent.requests
    assert requests["start"].tolist() == [page * SIZE for page in FAR]
    assert requests["pages"].tolist() == [int(page in later) for page in FAR]
    assert requests["service_us"].notna().tolist() == [page in later for page in FAR]
    assert sent.summary["ram"]["postcopy-requests"] == 3


def test_discards_are_the_pages_that_come_after(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers())
    burst = "phases:uniform:9000,seed=7,pages=600@40ms+idle@900s"
    sent_to(peer, saved, workload=burst)
    stream = read(peer)
    first = {"pc.ram": 0, "rom": 1500}
    discarded = [
        first[row["block"]] + row["start"] // SIZE + number
        for row in frame_rows(stream.discards)
        for number in range(row["length"] // SIZE)
    ]
    assert sorted(after_package(stream)) == discarded
    assert len(stream.discards) > 12  # the burst left holes, and more than one command


def test_the_package_holds_the_devices(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers())
    sent_to(peer, saved)
    stream = read(peer)
    rows = frame_rows(stream.records)
    told = [(row["name"], row["value"]) for row in rows if row["in_package"]]
    assert told == [
        ("POSTCOPY_LISTEN", None),
        ("timer", None),
        ("PING", 3),
        ("PING", 0x42),
        ("POSTCOPY_RUN", None),
    ]
    assert TIMER in peer.data
    around = [
        (r["name"], r["value"]) for r in rows if r["kind"] == "command" and not r["in_package"]
    ]
    named = [name for name, _ in around if name != "POSTCOPY_RAM_DISCARD"]
    assert named == [
        "OPEN_RETURN_PATH",
        "PING",
        "POSTCOPY_ADVISE",
        "SWITCHOVER_START",
        "PING",
        "PACKAGED",
        "PING",
    ]
    assert rows[-1]["kind"] == "eof"


def test_counters_are_those_of_the_bytes(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers())
    sent = sent_to(peer, saved)
    told = read(peer).counters
    ram = sent.summary["ram"]
    assert {name: ram[name] for name in told} == told
    assert told["postcopy-bytes"] > 0


@pytest.mark.parametrize(("rule", "in_complete"), [("before", True), ("after", False)])
def test_the_rule_decides_what_is_left_for_the_end(
    tmp_path: Path, saved: Path, rule: str, in_complete: bool
) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers(()))
    if rule == "before":  # its END section has pages, so the end looks otherwise
        peer.end = POSTCOPY_END[-6:]
    sent = sent_to(peer, saved, rule=rule)
    stream = read(peer)
    assert sent.outcome == "completed"
    assert (stream.save_complete_pages > 0) == in_complete
    assert sent.report()["pages_in_complete"] == stream.save_complete_pages
    pings = stream.records.loc[stream.records["name"] == "PING", "value"].tolist()
    assert (0x42 in pings) == (rule == "after")


def test_urgent_pages_go_their_own_way(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers((1199, 900)))
    sent = sent_to(peer, saved, capabilities=("postcopy-preempt",))
    stream = read(peer)
    urgent = stream.pages.loc[stream.pages["channel"] == "preempt", "page"].tolist()
    assert sent.outcome == "completed"
    assert urgent == [1199, 900]
    assert sorted(stream.pages["page"]) == list(range(PAGES))
    assert sent.summary["ram"]["postcopy-bytes"] == stream.counters["postcopy-bytes"]
    assert sent.summary["ram"]["transferred"] == stream.counters["transferred"]


def test_multifd_is_emptied_before_postcopy_and_then_rests(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Answers(()))
    sent = sent_to(peer, saved, capabilities=("multifd",))
    stream = read(peer)
    by_channel = stream.pages.groupby("channel", observed=True).size()
    assert sent.outcome == "completed"
    assert sorted(stream.pages["page"]) == list(range(PAGES))
    assert by_channel["multifd"] > 0
    assert by_channel["main"] == len(after_package(stream)) > 0


class Cutting:
    """Breaks the connection once the guest runs there and some pages have come."""

    pages = (1199,)
    """By their request the source knows that the guest runs: a cut before fails it."""

    def __init__(self, more: int) -> None:
        self.answers, self.more, self.at = Answers(self.pages), more, 0

    def __call__(self, peer: Peer) -> None:
        self.answers(peer)
        if self.answers.runs and not self.at:
            self.at = len(peer.data)
        if self.at and len(peer.data) > self.at + self.more:
            peer.cut()


def test_a_cut_leaves_it_paused_where_nobody_recovers(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", POSTCOPY_END, Cutting(1_500_000))
    sent = sent_to(peer, saved)
    assert sent.outcome == "postcopy-paused"
    assert 0 < sent.summary["ram"]["remaining"] < PAGES * SIZE


def test_after_a_cut_what_is_missing_comes_once(tmp_path: Path, saved: Path) -> None:
    """Lose the last pages that came before the cut: they were not placed."""
    lost = 40
    first = Peer(tmp_path / "s", POSTCOPY_END, Cutting(1_500_000))
    placed: list[int] = []

    def resume(peer: Peer) -> None:
        asked = peer.data.count(b"\x08\x00\x0a")
        if asked == 2 and not peer.said:
            stream = read_stream(bytes(first.data), partial=True)
            placed.extend(stream.pages["page"].tolist()[:-lost])
            there = np.isin(np.arange(PAGES), placed)
            peer.say(received_bitmap("pc.ram", there[:1500]))
            peer.say(received_bitmap("rom", there[1500:]))
        if bytes([COMMAND, 0, 9, 0, 0]) in peer.data and resume_ack() not in peer.said:
            peer.say(resume_ack())

    second = Peer(tmp_path / "again", POSTCOPY_END, resume)
    sent = sent_to(first, saved, recover=second.uri)
    again = second.join()
    assert sent.outcome == "completed"
    whole = read_stream(bytes(first.data), channels=[again], partial=True)
    came = whole.pages.loc[whole.pages["record"] >= 0, "page"].tolist()
    later = came[len(placed) + lost :]
    assert sorted(placed + later) == list(range(PAGES))
    states = sent.events.loc[sent.events["event"] == "migrate_set_state", "arguments"].tolist()
    assert [row.split('"')[3] for row in states][-5:] == [
        "postcopy-paused",
        "postcopy-recover-setup",
        "postcopy-recover",
        "postcopy-active",
        "completed",
    ]


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (("nothing", 0, SIZE), "of block nothing · allowed whole pages of its 0 B"),
        (("pc.ram", 100, SIZE), "a request for 4096 B at 0x64 of block pc.ram"),
        (("rom", 31 * SIZE, 2 * SIZE), "allowed whole pages of its 131072 B"),
        (("rom", 0, 0), "a request for 0 B"),
    ],
)
def test_a_request_that_does_not_fit_stops_the_source(
    tmp_path: Path, saved: Path, request_: tuple[str, int, int], wrong: str
) -> None:
    def script(peer: Peer) -> None:
        if RUN in peer.data and not peer.said:
            peer.say(pong(0x42) + RequestWriter().request(*request_))

    sent = sent_to(Peer(tmp_path / "s", POSTCOPY_END, script), saved, rule="before")
    assert (sent.outcome, len(sent.requests)) == ("postcopy-paused", 0)
    assert wrong in sent.error


@pytest.mark.parametrize("noise", [b"\0\0\0\0", b"\xff" * 64, b"\0\5\0\4\3rom" + b"\xff" * 8])
def test_noise_on_the_return_path_is_an_error(tmp_path: Path, saved: Path, noise: bytes) -> None:
    def script(peer: Peer) -> None:
        if not peer.said:
            peer.say(noise)

    sent = sent_to(Peer(tmp_path / "s", POSTCOPY_END, script), saved)
    assert sent.outcome in {"failed", "postcopy-paused"}
    assert sent.error
