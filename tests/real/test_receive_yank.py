"""What ends a real source's migration from this end: a yank, a signal, and a limit on silence."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.live import Receiver, Reception
from real.machine import LIMIT_S, Machine, until
from real.test_receive import running

SLOWLY = 3 << 20
"""Bytes a second: 25 MiB take long enough to be broken off on a fast machine."""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_guest(tmp_path_factory.mktemp("guest"))


@pytest.fixture(params=["before", "after"])
def source(request: pytest.FixtureRequest, guest: Path, tmp_path: Path) -> Iterator[Machine]:
    """Start a source whose guest runs, and whose migration is slow."""
    qemu: Qemu = request.getfixturevalue(f"qemu_{request.param}")
    with running(qemu, guest, tmp_path) as made:
        made.enable("return-path", max_bandwidth=SLOWLY)
        yield made


class Background:
    """Receives in a thread."""

    def __init__(self, **settings: Any) -> None:
        self.receiver = Receiver("tcp::0", **{"wait_s": LIMIT_S, "recover_s": LIMIT_S} | settings)
        self._results: list[Reception] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._results.append(self.receiver.run())

    def result(self) -> Reception:
        self._thread.join(LIMIT_S)
        assert self._results, "the destination does not end"
        return self._results[0]

    def came(self, count: int = 1 << 20) -> None:
        until(lambda: self.receiver.progress.bytes > count, "bytes of the source", LIMIT_S)


def fails_and_runs_on(source: Machine) -> None:
    """Demand that the source sees a failure, and that its guest's heart beats on."""
    source.reached("failed")
    source.until(lambda: source.running_state() == "running", "running guest")
    before = source.beat()
    source.until(lambda: source.beat() > before, "heartbeat")


def broken_off(source: Machine, end: Callable[[Receiver], None], **settings: Any) -> Reception:
    to = Background(**settings)
    source.tell("migrate", uri=str(to.receiver.address))
    to.came()
    end(to.receiver)
    found = to.result()
    assert found.outcome == "failed"
    fails_and_runs_on(source)
    return found


def test_the_source_goes_on_after_a_yank(source: Machine) -> None:
    """In the main stream, and in multifd's channels."""
    found = broken_off(source, lambda receiver: receiver.yank())
    assert "was awaited, and it was yanked here" in found.error
    source.enable("multifd", multifd_channels=2)
    found = broken_off(source, lambda receiver: receiver.yank(), multifd_channels=2)
    assert "it was yanked here" in found.error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_source_goes_on_after_a_signal(
    source: Machine, number: signal.Signals, tmp_path: Path
) -> None:
    words = ["receive", f"unix:{tmp_path}/r", "--save", f"{tmp_path}/guest"]
    process = subprocess.Popen(
        [sys.executable, "-m", "migkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until((tmp_path / "r").exists, "place of the destination", LIMIT_S)
        source.tell("migrate", uri=f"unix:{tmp_path}/r")

        def moved() -> bool:
            return bool(
                source.tell("query-migrate").get("ram", {}).get("transferred", 0) > 1 << 20
            )

        until(moved, "bytes of the source", LIMIT_S)
        process.send_signal(number)
        out, said = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, said) == (130, "migkit: interrupted\n")
    assert "it was yanked here" in out
    assert not (tmp_path / "guest").exists()
    fails_and_runs_on(source)


def test_a_source_that_hangs_or_pauses_is_silent(source: Machine) -> None:
    def hang(receiver: Receiver) -> None:
        os.kill(source.pid, signal.SIGSTOP)
        until(lambda: receiver.progress.state == "failed", "end here", LIMIT_S)
        os.kill(source.pid, signal.SIGCONT)

    found = broken_off(source, hang, silence_s=1.0)
    assert "was awaited, and nothing came for 1 s on any channel" in found.error
    source.enable("pause-before-switchover", max_bandwidth=0)
    to = Background(silence_s=1.0)
    source.tell("migrate", uri=str(to.receiver.address))
    found = to.result()
    assert "was awaited, and nothing came for 1 s on any channel" in found.error
    # There QEMU looks at no connection before its user lets it go on.
    source.reached("pre-switchover")
    source.tell("migrate-continue", state="pre-switchover")
    fails_and_runs_on(source)


def test_a_source_that_hangs_in_postcopy_resumes(
    qemu_after: Qemu, guest: Path, tmp_path: Path
) -> None:
    with running(qemu_after, guest, tmp_path) as source:
        source.enable("postcopy-ram", "postcopy-preempt", max_postcopy_bandwidth=SLOWLY)
        to = Background(silence_s=1.0, faults="uniform:100")
        source.tell("stop")
        source.tell("migrate", uri=str(to.receiver.address))
        source.reached("active", "completed")
        source.tell("migrate-start-postcopy")
        source.tell("cont")
        source.reached("postcopy-active")  # before that QEMU 11.1 fails, and takes its guest back
        until(lambda: to.receiver.progress.requests > 5, "requests", LIMIT_S)
        os.kill(source.pid, signal.SIGSTOP)
        until(lambda: to.receiver.progress.state == "postcopy-paused", "pause here", LIMIT_S)
        os.kill(source.pid, signal.SIGCONT)
        source.reached("postcopy-paused")
        source.tell("migrate-set-parameters", max_postcopy_bandwidth=0)
        source.tell("migrate", uri=str(to.receiver.address), resume=True)
        source.reached("completed")
        found = to.result()
    assert (found.outcome, found.pauses, found.missing_pages) == ("completed", 1, 0)
