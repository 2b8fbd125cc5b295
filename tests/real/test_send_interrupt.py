"""A source of ours that is interrupted: a real QEMU says so, and can still be told what to do."""

from __future__ import annotations

from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from live.sender_process import SenderProcess
from migkit.lab import Qemu
from real.send_destination import machine_of, waiting

SLOW = ["--bandwidth", "1MiB/s", "--parameter", "max-postcopy-bandwidth=1MiB"]
INTERRUPTED = (130, "", "migkit: interrupted\n")


@pytest.mark.parametrize("rule", ["before", "after"])
def test_precopy_fails_at_the_destination(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: tuple[Path, int] = request.getfixturevalue(f"saved_{rule}")
    uri = f"unix:{tmp_path / 's'}"
    with (
        waiting(qemu, machine_of(qemu), tmp_path / "d", uri, stays=True) as there,
        SenderProcess(saved[0], uri, *SLOW) as child,
    ):
        there.reached("active")
        assert child.interrupted(SIGINT) == INTERRUPTED
        there.reached("failed")
        assert there.tell("query-migrate")["error-desc"]
        assert there.running_state() == "inmigrate"


@pytest.mark.parametrize("rule", ["before", "after"])
def test_postcopy_pauses_at_the_destination(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: tuple[Path, int] = request.getfixturevalue(f"saved_{rule}")
    uri = f"unix:{tmp_path / 's'}"
    with (
        waiting(qemu, machine_of(qemu), tmp_path / "d", uri, "postcopy-ram") as there,
        SenderProcess(saved[0], uri, *SLOW, "--rule", rule, "--postcopy-at", "0ms") as child,
    ):
        there.reached("postcopy-active")
        assert child.interrupted(SIGTERM) == INTERRUPTED
        # Its monitor may not answer any more: a vCPU that waits for a page can hold its lock.
        there.until(lambda: "Migration paused" in there.said(), "pause")
