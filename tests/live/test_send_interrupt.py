"""``migkit send`` that is interrupted ends with 130, and the other side knows what happened."""

from __future__ import annotations

import threading
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import pytest

from live.arena_pair import until
from live.send_peer import PRECOPY_END, Peer, contents, save_guest
from live.sender_process import LIMIT_S, SenderProcess
from live.test_receive_recovery import running
from migkit.live import Receiver, Reception

INTERRUPTED = (130, "", "migkit: interrupted\n")
SLOW = ["--bandwidth", "1MiB/s"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """In postcopy it takes half a minute to be sent."""
    return save_guest(tmp_path / "guest.mig", {"pc.ram": contents(8000, 0)})


def receiving(tmp_path: Path) -> tuple[Receiver, threading.Thread, list[Reception]]:
    receiver = Receiver(f"unix:{tmp_path / 'r'}", wait_s=LIMIT_S, recover_s=0)
    return receiver, *running(receiver)


@pytest.mark.parametrize(
    ("number", "more"),
    [(SIGINT, []), (SIGTERM, ["--capability", "multifd"])],
    ids=["plain", "multifd"],
)
def test_in_precopy(tmp_path: Path, saved: Path, number: Signals, more: list[str]) -> None:
    receiver, thread, came = receiving(tmp_path)
    results = ["--json", tmp_path / "sent.json", "--out", tmp_path / "tables"]
    endless = ["--workload", "uniform:100000", "--downtime-limit", "1ms"]
    with SenderProcess(saved, str(receiver.address), *SLOW, *endless, *results, *more) as child:
        until(lambda: receiver.progress.pages > 100, "pages")
        assert child.interrupted(number) == INTERRUPTED
    thread.join(LIMIT_S)
    assert came[0].outcome == "failed"
    assert "ended" in came[0].error
    assert not (tmp_path / "sent.json").exists()
    assert not (tmp_path / "tables").exists()


def test_one_that_outlives_its_terminal(tmp_path: Path, saved: Path) -> None:
    receiver, thread, came = receiving(tmp_path)
    endless = ["--workload", "uniform:100000", "--downtime-limit", "1ms"]
    with SenderProcess(saved, str(receiver.address), *SLOW, *endless, nohup=True) as child:
        until(lambda: receiver.progress.pages > 100, "pages")
        child.process.send_signal(SIGHUP)
        until(lambda: receiver.progress.pages > 500, "more pages")
        code, said, errors = child.interrupted(SIGTERM)
    thread.join(LIMIT_S)
    assert (code, said, errors.splitlines()[-1]) == (130, "", "migkit: interrupted")
    assert came[0].outcome == "failed"


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_while_the_last_word_is_awaited(tmp_path: Path, saved: Path, number: Signals) -> None:
    peer = Peer(tmp_path / "s", PRECOPY_END, shut=None)
    with SenderProcess(saved, peer.uri, "--bandwidth", "0", "--timeout", "120s") as child:
        until(lambda: peer.data.endswith(PRECOPY_END), "end of the stream")
        assert child.interrupted(number) == INTERRUPTED
    assert peer.join().endswith(PRECOPY_END)  # and an end of the connection, not a hang


def test_in_postcopy(tmp_path: Path, saved: Path) -> None:
    receiver, thread, came = receiving(tmp_path)
    words = [*SLOW, "--postcopy-at", "0ms", "--parameter", "max-postcopy-bandwidth=1MiB"]
    with SenderProcess(saved, str(receiver.address), *words) as child:
        until(lambda: receiver.progress.state == "postcopy-active", "postcopy")
        assert child.interrupted(SIGINT) == INTERRUPTED
    thread.join(LIMIT_S)
    assert came[0].outcome == "postcopy-paused"
    assert came[0].missing_pages > 0


def test_while_the_peer_reads_no_more(tmp_path: Path, saved: Path) -> None:
    stuck = threading.Event()

    def script(peer: Peer) -> None:
        if len(peer.data) > 100_000:
            stuck.set()
            released.wait(LIMIT_S)

    released = threading.Event()
    peer = Peer(tmp_path / "s", PRECOPY_END, script)
    with SenderProcess(saved, peer.uri, "--bandwidth", "0") as child:
        assert stuck.wait(LIMIT_S)
        assert child.interrupted(SIGINT) == INTERRUPTED
    released.set()
    peer.join()
