"""A peer that stops in the middle: one clear word for each place, and postcopy is only paused."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from channels.test_tls import FILES
from live.receive_peer import Source, memory_of
from live.test_receive_recovery import BLOCKS, NAME, cut_at, rest_of, running, until
from migkit.channels import TlsFiles
from migkit.errors import InputError
from migkit.live import Receiver, Reception
from migkit.live.watch import Watch
from stream import recorded

SILENT_S = 2.0
LIMIT_S = 60.0
TCP, MULTIFD, PREEMPT = "10.2-tcp", "10.2-multifd", "10.2-postcopy-preempt"


def within(name: str, kind: str, section: str | None, part: float, number: int = 0) -> bytes:
    """Return a main stream up to a place within a record."""
    records = recorded.stream(name).records
    found = records[records["kind"] == kind]
    if section is not None:
        found = found[found["name"] == section]
    record = found.iloc[number]
    return recorded.main(name)[: int(record["offset"] + round(record["bytes"] * part))]


def behind(name: str, command: str) -> int:
    """Return the offset behind a command."""
    records = recorded.stream(name).records
    row = records[records["name"] == command].iloc[0]
    return int(row["offset"] + row["bytes"])


class Stopped:
    """A receiver whose source sends the beginnings of channels, and then says nothing."""

    def __init__(self, main: bytes, others: tuple[bytes, ...] = (), **settings: object) -> None:
        asked = {"silence_s": SILENT_S, "recover_s": 0, "wait_s": LIMIT_S} | settings
        self.receiver = Receiver("tcp::0", **asked)  # type: ignore[arg-type]
        self.source = Source(self.receiver)
        self._channels = [self.source.send(other) for other in (*others, main)]
        self._thread, self._results = running(self.receiver)

    def result(self) -> Reception:
        self._thread.join(LIMIT_S)
        assert self._results, "it waits without a limit"
        self.source.join()
        for channel in self._channels:
            channel.close()
        return self._results[0]


def multifd(*, cut: int | None = None, count: int = 2) -> tuple[bytes, ...]:
    channels = recorded.others(MULTIFD)
    return (channels[0][:cut], *channels[1:count])


PLACES: dict[str, tuple[Callable[[], Stopped], str]] = {
    "head": (lambda: Stopped(recorded.main(TCP)[:20]), "configuration · machine's name"),
    "blocks": (lambda: Stopped(within(TCP, "start", "ram", 0.5)), "section start of ram (1)"),
    "between sections": (
        lambda: Stopped(within(TCP, "part", "ram", 1.0)),
        "record · type of a record was awaited",
    ),
    "page": (lambda: Stopped(within(TCP, "part", "ram", 0.5)), "section part of ram (1)"),
    "device": (lambda: Stopped(within(TCP, "full", None, 0.5, 2)), "section full of"),
    "package": (
        lambda: Stopped(recorded.main(NAME)[: behind(NAME, "PACKAGED") + 50]),
        "command PACKAGED · package was awaited",
    ),
    "packet": (
        lambda: Stopped(recorded.main(MULTIFD), multifd(cut=100_000)),
        "multifd channels · SYNC of 0 was awaited",
    ),
    "channel that never comes": (
        lambda: Stopped(recorded.main(MULTIFD), multifd(count=1), multifd_channels=2),
        "multifd channels · a channel that has not come was awaited",
    ),
    "channel without its hello": (
        lambda: Stopped(recorded.main(MULTIFD), multifd(cut=30), multifd_channels=2),
        "multifd channels · a channel that has not come was awaited",
    ),
    "main stream behind its channels": (
        lambda: Stopped(recorded.main(MULTIFD)[:40], multifd()),
        "was awaited",
    ),
}


@pytest.fixture(scope="module")
def stopped() -> Iterator[dict[str, Stopped]]:
    """Begin them all at once: each takes as long as its limit."""
    return {name: make() for name, (make, _) in PLACES.items()}


@pytest.mark.parametrize("place", PLACES)
def test_a_source_that_stops_is_told_by_what_was_awaited(
    place: str, stopped: dict[str, Stopped]
) -> None:
    found = stopped[place].result()
    assert found.outcome == "failed"
    assert PLACES[place][1] in found.error
    assert f"nothing came for {SILENT_S:g} s on any channel" in found.error
    assert "--silence" in found.error
    assert found.error.count("\n") == 0


@pytest.mark.parametrize("name", [NAME, PREEMPT])
def test_in_postcopy_it_is_paused_and_goes_on(name: str) -> None:
    """The main stream is cut in postcopy; of preempt nothing comes on the channel either."""
    if name == NAME:
        main = recorded.main(NAME)[: cut_at()]
    else:
        main = recorded.main(name)[: behind(name, "PACKAGED")]
        records = recorded.stream(name).records
        last = records[records["in_package"]].iloc[-1]
        main = recorded.main(name)[: int(last["offset"] + last["bytes"])]
    others = (b"",) if name == PREEMPT else ()
    peer = Stopped(main, others, recover_s=LIMIT_S)
    to = peer.receiver._destination
    until(lambda: to.state == "postcopy-paused")
    assert to.arena is not None
    section = int(recorded.stream(name).records.query("name == 'ram'")["section_id"].iloc[0])
    if name == NAME:
        again = peer.source.send(rest_of(~to.arena.received, section), end=True)
        found = peer.result()
        again.close()
        assert (found.outcome, found.error, found.pauses) == ("completed", "", 1)
        assert b"".join(found.ram(block.name) for block in BLOCKS) == memory_of(NAME)
    else:
        peer.receiver.yank()
        found = peer.result()
        assert (found.outcome, found.pauses) == ("postcopy-paused", 1)
        assert "it was yanked here" in found.error


def test_a_tls_record_that_never_ends(tmp_path: object) -> None:
    """The peer's last record comes in half: the read blocks below TLS."""
    receiver = Receiver("tcp:127.0.0.1:0", tls=TlsFiles(FILES), silence_s=1.0, wait_s=LIMIT_S)
    thread, results = running(receiver)
    from migkit.channels import connect

    channel = connect(receiver.address, TlsFiles(FILES))
    channel.write(recorded.main(TCP)[:100_000])
    carrier = channel._transport._carrier  # type: ignore[attr-defined]
    carrier.send((memoryview(b"\x17\x03\x03\x10\x00" + bytes(100)),))
    thread.join(LIMIT_S)
    channel.close()
    assert "nothing came for 1 s on any channel" in results[0].error


def test_a_peer_that_reads_nothing_is_silent_too() -> None:
    """Requests fill the connection, which blocks; the clock ends that as well."""
    receiver = Receiver(
        "tcp::0", silence_s=1.0, wait_s=LIMIT_S, recover_s=0, faults="uniform:1000000"
    )
    thread, results = running(receiver)
    import socket

    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.connect(("127.0.0.1", int(receiver.address.port)))  # type: ignore[union-attr]
    made.sendall(recorded.main(NAME)[: cut_at()])
    thread.join(LIMIT_S)
    made.close()
    assert results[0].outcome == "postcopy-paused"
    assert "nothing came for 1 s" in results[0].error


class TestWatch:
    """The clock, by hand."""

    def test_what_comes_on_any_channel_counts(self) -> None:
        ended: list[bool] = []
        watch = Watch(10.0, lambda: ended.append(True))
        now = time.monotonic()
        watch._expecting = True
        watch._heard_s = now
        watch.look(now + 9)
        watch._heard_s = now + 9  # a byte on one of them
        watch.look(now + 18)
        assert (watch.reason, ended) == ("", [])
        watch.look(now + 19)
        assert (watch.reason, ended) == ("", [])  # only suspected
        watch.look(now + 20)
        assert watch.reason == "nothing came for 10 s on any channel"
        assert ended == [True]

    def test_a_byte_that_was_late_is_heard(self) -> None:
        watch = Watch(10.0, lambda: None)
        now = time.monotonic()
        watch._expecting = True
        watch._heard_s = now
        watch.look(now + 1000)  # the machine slept
        watch._heard_s = now + 1001
        watch.look(now + 1002)
        assert not watch.reason

    def test_while_there_is_no_connection_nothing_is_expected(self) -> None:
        watch = Watch(10.0, lambda: None)
        for late in (100, 200, 300):
            watch.look(time.monotonic() + late)
        watch.begin()
        watch.rest()
        for late in (100, 200, 300):
            watch.look(time.monotonic() + late)
        assert not watch.reason
        watch.stop()

    def test_without_a_limit_nobody_looks(self) -> None:
        before = threading.active_count()
        watch = Watch(None, lambda: None)
        watch.begin()
        assert threading.active_count() == before
        watch.stop()


@pytest.mark.parametrize("silence_s", [0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(silence_s: float) -> None:
    with pytest.raises(InputError, match="None for no limit"):
        Receiver("tcp::0", silence_s=silence_s)
