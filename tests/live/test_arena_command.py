"""``migkit send arena:SIZE`` and ``migkit receive --run``: what they tell, and how they end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from live.arena_pair import SLOW, WAIT_S, permitted, until
from migkit.cli import main
from migkit.live import ArenaGuest, Receiver, send


@pytest.fixture(autouse=True)
def _here() -> None:
    permitted()


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "migkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def listens(path: Path) -> bool:
    """Tell whether someone does; a channel that ends with nothing in it is passed over."""
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(str(path)) == 0


def test_a_guest_goes_from_one_command_to_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = command(
        tmp_path, "receive", "unix:mig", "--run", "--run-for", "50ms", "--json", "to.json"
    )
    until(lambda: listens(tmp_path / "mig"), "nobody listens")
    words = ["send", "arena:6MiB", f"unix:{tmp_path}/mig", "--vcpus", "2", "--postcopy-at", "50ms"]
    words += ["--workload", "uniform:3000", "--bandwidth", "24MiB/s"]
    code = main([*words, "--json", f"{tmp_path}/from.json"])
    out, error = to.communicate(timeout=WAIT_S)
    assert (code, to.returncode) == (0, 0), error
    assert "0 lost, 0 pages wrong" in out
    assert "blocktime" in out
    sent, came = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("from", "to"))
    guest = came["guest"]
    assert sent["guest"]["writes"] == guest["writes_before"] <= guest["writes"]
    assert (sent["guest"]["vcpus"], guest["vcpus"]) == (2, 2)
    assert came["requests"] == sent["requests"]["asked"]
    assert len(guest["postcopy-latency-dist"]) == 24
    assert "arena: completed" in capsys.readouterr().out


def test_a_lost_write_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = ArenaGuest(1 << 20, "sequential:9000")
    guest.start()
    until(lambda: guest.writes > 10)
    check = ArenaGuest.check
    send(guest, f"file:{tmp_path}/guest.mig", parameters=SLOW)

    def damaged(arrived: ArenaGuest) -> object:
        arrived.memory.view[4096 + 100] ^= 1
        return check(arrived)

    monkeypatch.setattr(ArenaGuest, "check", damaged)
    assert main(["receive", f"file:{tmp_path}/guest.mig", "--run", "--run-for", "1ms"]) == 1
    assert "0 lost, 1 pages wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["send", "arena:5000", "unix:x"], "whole pages"),
        (["send", "arena:much", "unix:x"], "arena 'much'"),
        (["send", "arena:1MiB", "unix:x", "--vcpus", "100"], "allowed 1..64"),
        (["send", "arena:1MiB", "unix:x", "--write-memory"], "leave the workload out"),
        (["send", "guest.mig", "unix:x", "--vcpus", "2"], "send arena:SIZE"),
        (["receive", "unix:x", "--run-for", "2s"], "add --run"),
        (["receive", "unix:x", "--run", "--save", "dir"], "leave one out"),
        (["receive", "unix:x", "--run", "--faults", "uniform:5"], "leave one out"),
        (["receive", "unix:x", "--run", "--run-for", "long"], "run-for"),
    ],
)
def test_wrong_input_exits_with_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_a_destination_that_is_interrupted_while_its_vcpus_wait_ends(tmp_path: Path) -> None:
    to = command(tmp_path, "receive", "unix:mig", "--run")
    until(lambda: listens(tmp_path / "mig"), "nobody listens")
    guest, results = ArenaGuest(6 << 20, "uniform:3000", vcpus=2), []
    slow = SLOW | {"max-postcopy-bandwidth": 1 << 18}  # vCPUs wait nearly all of the time
    served = threading.Event()
    sending = threading.Thread(
        target=lambda: results.append(
            send(
                guest,
                f"unix:{tmp_path}/mig",
                postcopy_at_s=0.05,
                parameters=slow,
                progress=lambda counted: served.set() if counted.postcopy_bytes else None,
            )
        )
    )
    sending.start()
    assert served.wait(WAIT_S)
    to.send_signal(signal.SIGINT)
    out, error = to.communicate(timeout=WAIT_S)
    assert to.returncode == 130
    assert "it was yanked here" in out
    assert error.splitlines()[-1] == "migkit: interrupted"
    sending.join(WAIT_S)
    assert results[0].outcome in {"postcopy-paused", "failed"}
    assert not guest.running
    assert not (tmp_path / "mig").exists()


def test_a_source_that_is_interrupted_ends_with_its_guest(tmp_path: Path) -> None:
    came = []
    receiver = Receiver(f"unix:{tmp_path}/mig", run=True, wait_s=WAIT_S)
    receiving = threading.Thread(target=lambda: came.append(receiver.run()))
    receiving.start()
    words = ["send", "arena:24MiB", f"unix:{tmp_path}/mig", "--workload", "uniform:2000"]
    source = command(tmp_path, *words, "--bandwidth", "1MiB/s")
    until(lambda: receiver.progress.pages > 50, "no pages")
    source.send_signal(signal.SIGINT)
    _, error = source.communicate(timeout=WAIT_S)
    assert source.returncode == 130
    assert error.splitlines()[-1] == "migkit: interrupted"
    receiving.join(WAIT_S)
    assert (came[0].outcome, came[0].guest) == ("failed", None)
