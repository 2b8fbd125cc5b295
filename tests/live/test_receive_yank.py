"""QEMU's yank at a destination: in every state, from any thread, and by a signal."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from live.receive_peer import Source, memory_of, receive_channels, urgent_pages
from live.test_receive_recovery import BLOCKS, NAME, cut_at, rest_of, running, until
from migkit.errors import ChannelError
from migkit.live import Receiver, read_saved
from stream import recorded

LIMIT_S = 60.0
MULTIFD, PREEMPT = "10.2-multifd", "10.2-postcopy-preempt"
YANKED = "it was yanked here"


def test_while_a_source_is_waited_for() -> None:
    receiver = Receiver("tcp::0")
    raised: list[ChannelError] = []

    def run() -> None:
        with pytest.raises(ChannelError, match=YANKED) as caught:
            receiver.run()
        raised.append(caught.value)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    receiver.yank()
    thread.join(LIMIT_S)
    assert raised
    with pytest.raises(ChannelError):
        Source(receiver).send(b"")


def test_before_it_runs() -> None:
    receiver = Receiver("tcp::0")
    receiver.yank()
    with pytest.raises(ChannelError, match=YANKED):
        receiver.run()


@pytest.mark.parametrize("yanks", [1, 20])
def test_in_the_main_stream(yanks: int) -> None:
    receiver = Receiver("tcp::0", wait_s=LIMIT_S)
    source = Source(receiver)
    channel = source.send(recorded.main("10.2-tcp")[:50_000])
    thread, results = running(receiver)
    until(lambda: receiver.progress.bytes == 50_000)
    threads = [threading.Thread(target=receiver.yank) for _ in range(yanks)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(LIMIT_S)
    thread.join(LIMIT_S)
    source.join()
    channel.close()
    assert results[0].outcome == "failed"
    assert f"was awaited, and {YANKED}" in results[0].error


@pytest.mark.parametrize("cut", [100_000, None], ids=["packet", "flush"])
def test_in_multifd_channels(cut: int | None) -> None:
    """Inside a packet of one channel; and while a channel's SYNC is waited for."""
    before = threading.active_count()
    receiver = Receiver("tcp::0", wait_s=LIMIT_S, multifd_channels=2)
    source = Source(receiver)
    first, second = recorded.others(MULTIFD)
    sent = [source.send(first[:cut]), source.send(second[:50_000])]
    sent.append(source.send(recorded.main(MULTIFD)))
    thread, results = running(receiver)
    multifd = receiver._destination.multifd
    until(lambda: multifd._released > 1 or (cut is None and multifd._released))
    receiver.yank()
    thread.join(LIMIT_S)
    source.join()
    assert results[0].outcome == "failed"
    assert YANKED in results[0].error
    for channel in sent:
        with pytest.raises(ChannelError):  # the source learns of it on each channel
            channel.write(bytes(1 << 26))
        channel.close()
    until(lambda: threading.active_count() <= before)


def test_in_postcopy_with_preempt_it_pauses_and_a_second_one_ends() -> None:
    records = recorded.stream(PREEMPT).records
    last = records[records["in_package"]].iloc[-1]
    main = recorded.main(PREEMPT)[: int(last["offset"] + last["bytes"])]
    receiver = Receiver("tcp::0", wait_s=LIMIT_S)
    source = Source(receiver)
    urgent = source.send(urgent_pages(100, 5)[:-1000])
    channel = source.send(main)
    thread, results = running(receiver)
    to = receiver._destination
    until(lambda: to.state == "postcopy-active" and to.arena.received[103])  # type: ignore[union-attr]
    receiver.yank()
    until(lambda: to.state == "postcopy-paused")
    assert not results
    receiver.yank()
    thread.join(LIMIT_S)
    source.join()
    urgent.close()
    channel.close()
    assert (results[0].outcome, results[0].pauses) == ("postcopy-paused", 1)
    assert YANKED in results[0].error
    assert results[0].stream.rounds.query("channel == 'preempt'")["normal_pages"].sum() == 4


def test_a_source_resumes_after_it() -> None:
    receiver = Receiver("tcp::0", wait_s=LIMIT_S, recover_s=LIMIT_S)
    thread, results = running(receiver)
    source = Source(receiver)
    first = source.send(recorded.main(NAME)[: cut_at()])
    to = receiver._destination
    until(lambda: to.state == "postcopy-active" and receiver.progress.bytes == cut_at())
    receiver.yank()
    until(lambda: to.state == "postcopy-paused")
    section = int(recorded.stream(NAME).records.query("name == 'ram'")["section_id"].iloc[0])
    again = source.send(rest_of(~to.arena.received, section), end=True)  # type: ignore[union-attr]
    thread.join(LIMIT_S)
    source.join()
    first.close()
    again.close()
    assert (results[0].outcome, results[0].error, results[0].pauses) == ("completed", "", 1)
    assert b"".join(results[0].ram(block.name) for block in BLOCKS) == memory_of(NAME)


def test_to_stop_is_not_to_pause() -> None:
    receiver = Receiver("tcp::0", wait_s=LIMIT_S)
    thread, results = running(receiver)
    source = Source(receiver)
    channel = source.send(recorded.main(NAME)[: cut_at()])
    until(lambda: receiver._destination.state == "postcopy-active")
    receiver.stop()
    thread.join(LIMIT_S)
    source.join()
    channel.close()
    assert results[0].outcome == "postcopy-paused"


def test_a_file_is_read_no_further(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(recorded.main("10.2-file"))
    receiver = Receiver(f"file:{path}")
    receiver.yank()
    assert YANKED in receiver.run().error


RUN = "import sys; from migkit.cli import main; sys.exit(main())"
SAVING = """
import os, signal
import migkit.live.saved as saved
whole = saved._write_sparse
def half(path, ram):
    whole(path, ram[: len(ram) // 2])
    os.kill(os.getpid(), signal.{number})
    whole(path, ram)
saved._write_sparse = half
"""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@contextmanager
def command(words: list[str], before: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + RUN, "receive", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def connected(path: Path, process: subprocess.Popen[str]) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)

    def reached() -> bool:
        assert process.poll() is None
        try:
            made.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    until(reached, LIMIT_S)
    made.settimeout(LIMIT_S)
    return made


def saved_before(folder: Path) -> dict[str, bytes]:
    """Save another guest there, as an earlier command did."""
    received, _ = receive_channels(recorded.main("10.2-tcp"))
    received.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@SIGNALS
def test_a_signal_while_nobody_came(number: signal.Signals, tmp_path: Path) -> None:
    with command([f"unix:{tmp_path}/r", "--save", f"{tmp_path}/guest"]) as process:
        connected(tmp_path / "r", process).close()
        process.send_signal(number)
        out, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (130, "")
    assert said.splitlines()[-1] == "migkit: interrupted"
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@SIGNALS
@pytest.mark.parametrize("where", ["precopy", "postcopy"])
def test_a_signal_in_a_migration(number: signal.Signals, where: str, tmp_path: Path) -> None:
    """The guest that was saved before stays, and what came is told."""
    earlier = saved_before(tmp_path / "guest")
    words = [f"unix:{tmp_path}/r", "--save", f"{tmp_path}/guest", "--json", f"{tmp_path}/told"]
    main = recorded.main(NAME)[: cut_at()] if where == "postcopy" else recorded.main(NAME)[:50_000]
    with command(words) as process:
        source = connected(tmp_path / "r", process)
        source.sendall(main)
        assert source.recv(1)  # it answers the first PING
        process.send_signal(number)
        out, said = process.communicate(timeout=LIMIT_S)
        while source.recv(1 << 16):
            pass  # until its end, which a source sees as a failure
        source.close()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "migkit: interrupted"
    assert "Traceback" not in said
    assert YANKED in out
    told = json.loads((tmp_path / "told").read_text())
    assert told["outcome"] != "completed"
    assert {p.name: p.read_bytes() for p in (tmp_path / "guest").iterdir()} == earlier
    assert {p.name for p in tmp_path.iterdir()} == {"guest", "told"}


@SIGNALS
@pytest.mark.parametrize("again", [False, True], ids=["new", "replaced"])
def test_a_signal_while_it_saves(number: signal.Signals, again: bool, tmp_path: Path) -> None:
    earlier = saved_before(tmp_path / "guest") if again else {}
    words = [f"unix:{tmp_path}/r", "--save", f"{tmp_path}/guest"]
    with command(words, SAVING.format(number=number.name)) as process:
        source = connected(tmp_path / "r", process)
        source.sendall(recorded.main("10.2-tcp"))
        out, said = process.communicate(timeout=LIMIT_S)
        source.close()
    assert (process.returncode, said) == (130, "migkit: interrupted\n")
    assert ": completed" in out
    assert {p.name for p in tmp_path.iterdir()} == ({"guest"} if again else set())
    if again:
        assert {p.name: p.read_bytes() for p in (tmp_path / "guest").iterdir()} == earlier
        assert read_saved(tmp_path / "guest")[0].outcome == "completed"


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """Where the first one does not end it, as while a pattern of faults is read."""
    os.mkfifo(tmp_path / "stream")
    with command([f"exec:cat {tmp_path}/stream; sleep 60"]) as process:
        with (tmp_path / "stream").open("wb") as stream:
            stream.write(recorded.main("10.2-tcp")[:1000])
            stream.flush()
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT_S)
    assert process.returncode == 130
