"""Channels in any order, strangers between them, and what a hostile peer can make us hold."""

import itertools
import socket
import threading
import time

import pytest

from live.receive_peer import Source, memory_of, urgent_pages
from live.test_receive_recovery import NAME, running, until
from migkit.channels import Channel, connect
from migkit.channels.transports import SocketTransport
from migkit.live import Receiver, Reception
from migkit.live.destination import Destination
from migkit.live.settings import ReceiveSettings
from stream import recorded

LIMIT_S = 60.0
MULTIFD = "10.2-multifd"


class Peers:
    """A receiver, its warnings, and the channels that come to it."""

    def __init__(self, **settings: object) -> None:
        self.warned: list[str] = []
        asked = {"recover_s": 0, "wait_s": LIMIT_S} | settings
        self.receiver = Receiver("tcp::0", warn=self.warned.append, **asked)  # type: ignore[arg-type]
        self.source = Source(self.receiver)
        self._held: list[Channel] = []
        self._thread, self._results = running(self.receiver)

    def say(self, data: bytes, *, end: bool = False) -> Channel:
        self._held.append(self.source.send(data, end=end))
        return self._held[-1]

    def silent(self, count: int) -> list[Channel]:
        """Connect and say nothing."""
        made = [connect(self.receiver.address) for _ in range(count)]
        self._held += made
        return made

    def result(self) -> Reception:
        self._thread.join(LIMIT_S)
        assert self._results, "it hangs"
        self.source.join()
        for channel in self._held:
            channel.close()
        return self._results[0]


@pytest.mark.parametrize("order", list(itertools.permutations(("main", "first", "second"))))
def test_multifd_channels_in_any_order(order: tuple[str, ...]) -> None:
    first, second = recorded.others(MULTIFD)
    channels = {"main": recorded.main(MULTIFD), "first": first, "second": second}
    peers = Peers(multifd_channels=2)
    for name in order:
        before = len(peers.receiver._destination.multifd)
        peers.say(channels[name], end=name != "main")
        if name != "main":  # it has come before the next one does
            until(lambda: len(peers.receiver._destination.multifd) > before)  # noqa: B023
    found = peers.result()
    assert (found.outcome, found.error) == ("completed", "")
    memory = b"".join(found.ram(block.name) for block in found.stream.ram_blocks)
    assert memory == memory_of(MULTIFD)


@pytest.mark.parametrize("first", ["preempt", "main"])
def test_the_channel_of_preempt_before_and_behind_the_main_one(first: str) -> None:
    """Its pages wait until what was there before them is thrown away."""
    main = recorded.main(NAME)
    package = recorded.stream(NAME).records.query("name == 'PACKAGED'").iloc[0]
    cut = int(package["offset"])
    peers = Peers()
    if first == "preempt":
        peers.say(urgent_pages(100, 5))
        channel = peers.say(main[:cut])
    else:
        channel = peers.say(main[:cut])
        peers.say(urgent_pages(100, 5))
    until(lambda: peers.receiver.progress.bytes == cut)
    to = peers.receiver._destination
    assert to._urgent is None  # nobody listens for pages in precopy
    records = recorded.stream(NAME).records
    last = records[records["in_package"]].iloc[-1]
    behind = int(last["offset"] + last["bytes"])
    channel.write(main[cut:behind])
    until(lambda: to.arena is not None and to.arena.received[100:105].all())
    until(lambda: to._urgent is not None and to.state == "postcopy-active")
    channel.write(main[behind:])
    found = peers.result()
    assert (found.outcome, found.missing_pages) == ("completed", 0)
    assert found.stream.rounds.query("channel == 'preempt'")["normal_pages"].sum() == 5


def test_peers_that_say_nothing_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are kept: the oldest make room, and the migration comes through."""
    monkeypatch.setattr("migkit.live.arrivals.MOST_CHANNELS", 8)
    peers = Peers(multifd_channels=2)
    silent = peers.silent(20)
    for channel in silent[:12]:
        assert channel.ready(LIMIT_S)
        assert channel.read_some() == b""
    for other in recorded.others(MULTIFD):
        peers.say(other, end=True)
    peers.say(recorded.main(MULTIFD))
    assert peers.result().outcome == "completed"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "begins with 47455420, which no channel of a migration does"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "begins with a TLS handshake, and there are no cred"),
        (b"QE", "begins with 5145, which no channel"),
        (b"", "ended without a byte"),
    ],
)
def test_strangers_are_told_of_and_let_alone(said: bytes, told: str) -> None:
    peers = Peers()
    peers.say(said, end=True)
    until(lambda: peers.warned)
    peers.say(recorded.main("10.2-tcp"))
    assert peers.result().outcome == "completed"
    [line] = peers.warned
    assert told in line


def test_a_second_main_stream_is_refused() -> None:
    peers = Peers()
    main = recorded.main("10.2-tcp")
    channel = peers.say(main[:50_000])
    until(lambda: peers.receiver.progress.bytes == 50_000)
    peers.say(main)
    until(lambda: peers.warned)
    channel.write(main[50_000:])
    assert peers.result().outcome == "completed"
    assert "a main stream, and there was one already" in peers.warned[0]


def test_a_multifd_stranger_that_stops_in_its_hello_holds_nobody_up() -> None:
    """A channel counts from when its hello is whole."""
    peers = Peers()
    peers.say(bytes.fromhex("11223344 00000001"))
    until(lambda: len(peers.receiver._destination.multifd) == 1)
    for other in recorded.others(MULTIFD):
        peers.say(other, end=True)
    until(lambda: len(peers.receiver._destination.multifd._synced) == 2)
    peers.say(recorded.main(MULTIFD))
    assert peers.result().outcome == "completed"


def test_a_channel_that_comes_when_all_is_over_is_closed() -> None:
    multifd = Destination(None, ReceiveSettings()).multifd
    multifd.close(0.0)
    here, there = socket.socketpair()
    with there:
        multifd.add(Channel(SocketTransport(here), "late"))
        there.settimeout(LIMIT_S)
        assert there.recv(1) == b""
    assert len(multifd) == 0


def test_a_channel_that_comes_while_all_ends_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    multifd = Destination(None, ReceiveSettings()).multifd
    closing = threading.Thread(target=multifd.close, args=(0.0,))
    start = threading.Thread.start

    def slow(thread: threading.Thread) -> None:
        if thread.name == "multifd":
            start(closing)
            time.sleep(0.1)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow)
    here, there = socket.socketpair()
    with there:
        multifd.add(Channel(SocketTransport(here), "late"))
        closing.join(LIMIT_S)
        there.settimeout(LIMIT_S)
        assert there.recv(1) == b""
