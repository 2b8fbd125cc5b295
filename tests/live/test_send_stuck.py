"""A destination that reads or says nothing more does not hold a source for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from live.send_peer import POSTCOPY_END, PRECOPY_END, RUN, Peer, contents, save_guest
from migkit.errors import ChannelError, InputError
from migkit.live import Sender, Sent, send
from migkit.live.sending.counted import Counted
from migkit.stream.writing_messages import pong

LIMIT_S = 60.0


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """More than the buffers of a socket hold."""
    return save_guest(tmp_path / "guest.mig", {"pc.ram": contents(6000, 0)})


class Deaf:
    """Takes connections, reads some bytes of the first and then nothing; says when it stopped."""

    def __init__(self, path: Path, reads: int = 1 << 16) -> None:
        self.uri = f"unix:{path}"
        self.stopped = threading.Event()
        self._reads, self._taken = reads, list[socket.socket]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._taken.append(connection)
            if len(self._taken) == 1:
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        left = self._reads
        while left > 0:
            left -= len(connection.recv(left))
        self.stopped.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in (self._listener, *self._taken):
            connection.close()


def running(sender: Sender) -> tuple[threading.Thread, list[Sent | ChannelError]]:
    found: list[Sent | ChannelError] = []

    def run() -> None:
        try:
            found.append(sender.run())
        except ChannelError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


def ends(thread: threading.Thread, found: list[Sent | ChannelError]) -> Sent:
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    [sent] = found
    assert isinstance(sent, Sent), sent
    return sent


@pytest.mark.parametrize("on", [(), ("return-path",), ("multifd",), ("multifd", "return-path")])
def test_a_source_whose_peer_reads_no_more_can_be_yanked(
    tmp_path: Path, saved: Path, on: tuple[str, ...]
) -> None:
    peer = Deaf(tmp_path / "s", reads=20 if "multifd" in on else 1 << 16)
    sender = Sender(saved, peer.uri, capabilities=on, parameters={"max-bandwidth": 0})
    thread, found = running(sender)
    assert peer.stopped.wait(LIMIT_S)
    thread.join(0.2)
    assert thread.is_alive()  # nobody else ends it
    sender.yank()
    sent = ends(thread, found)
    peer.close()
    assert sent.outcome == "failed"
    assert sent.error == f"send to {peer.uri} · it was yanked · send it again, or recover it"


def test_a_yank_in_postcopy_pauses_it(tmp_path: Path, saved: Path) -> None:
    reached = threading.Event()

    def watch(counted: Counted) -> None:
        if counted.postcopy_bytes:
            reached.set()

    peer = Peer(tmp_path / "s", POSTCOPY_END)
    sender = Sender(
        saved,
        peer.uri,
        rule="before",
        postcopy_at_s=0.05,
        parameters={"max-bandwidth": 8 << 20, "max-postcopy-bandwidth": 1 << 20},
        progress=watch,
    )
    thread, found = running(sender)
    assert reached.wait(LIMIT_S)
    sender.yank()
    sent = ends(thread, found)
    peer.join()
    assert sent.outcome == "postcopy-paused"
    assert "it was yanked" in sent.error


def test_a_yank_while_it_waits_for_the_last_word(tmp_path: Path, saved: Path) -> None:
    loaded = threading.Event()

    def script(peer: Peer) -> None:
        if peer.data.endswith(PRECOPY_END):
            loaded.set()

    peer = Peer(tmp_path / "s", PRECOPY_END, script, shut=None)
    sender = Sender(saved, peer.uri, timeout_s=LIMIT_S)
    thread, found = running(sender)
    assert loaded.wait(LIMIT_S)
    sender.yank()
    assert "it was yanked" in ends(thread, found).error
    peer.join()


def test_a_yank_before_it_runs_leaves_nothing_to_do(tmp_path: Path, saved: Path) -> None:
    sender = Sender(saved, f"unix:{tmp_path}/nobody")
    sender.yank()
    with pytest.raises(ChannelError, match="it was yanked"):
        sender.run()


def test_a_sender_sends_once(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END)
    sender = Sender(saved, peer.uri)
    assert sender.run().outcome == "completed"
    with pytest.raises(InputError, match="this Sender was run before"):
        sender.run()
    peer.join()


def silent(tmp_path: Path, script: Callable[[Peer], object] = lambda peer: None) -> Peer:
    return Peer(tmp_path / "s", PRECOPY_END, script, shut=None)


def test_an_acknowledgement_that_does_not_come_is_not_waited_for_longer(
    tmp_path: Path, saved: Path
) -> None:
    peer = silent(tmp_path)
    sent = send(saved, peer.uri, capabilities=("return-path", "switchover-ack"), timeout_s=0.3)
    peer.join()
    assert sent.outcome == "failed"
    assert "no SWITCHOVER_ACK within 0.3 s" in sent.error


def test_a_preempt_channel_is_not_waited_for_longer(tmp_path: Path, saved: Path) -> None:
    peer = silent(tmp_path)
    on = ("postcopy-ram", "postcopy-preempt")
    sent = send(saved, peer.uri, capabilities=on, postcopy_at_s=0.0, timeout_s=0.3)
    peer.join()
    assert sent.outcome == "failed"
    assert "no PONG within 0.3 s" in sent.error


def test_shut_is_not_waited_for_longer_after_postcopy(tmp_path: Path, saved: Path) -> None:
    def script(peer: Peer) -> None:
        if RUN in peer.data and not peer.said:
            peer.say(pong(0x42))

    peer = silent(tmp_path, script)
    sent = send(saved, peer.uri, postcopy_at_s=0.0, timeout_s=1.5)
    peer.join()
    assert "no SHUT within 1.5 s" in sent.error


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, saved: Path, timeout_s: float) -> None:
    with pytest.raises(InputError, match="allowed more than 0 s"):
        Sender(saved, f"unix:{tmp_path}/nobody", timeout_s=timeout_s)
