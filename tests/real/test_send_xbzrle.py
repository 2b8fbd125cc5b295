"""Differences that migkit sends: a real QEMU has the same memory afterwards, and runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from migkit.lab import Qemu
from migkit.live import send
from migkit.live.sending.counted import Counted
from migkit.workloads.recorded import Callback
from real.machine import until
from real.send_destination import GUEST_ENDS_AT_PAGE, machine_of, runs_on, same_memory, waiting

HOT = 300
VALUES = {"max-bandwidth": 64 << 20, "avail-switchover-bandwidth": 1_000_000, "downtime-limit": 1}
"""The first sweep takes more than a window; from then on less than a page may be left."""


@pytest.mark.parametrize("rule", ["before", "after"])
def test_qemu_decodes_what_changed(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A thread writes where the guest does not look; the guest goes on when that was compared."""
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: tuple[Path, int] = request.getfixturevalue(f"saved_{rule}")
    uri, found, turns = f"unix:{tmp_path / 's'}", [0], [0]

    def hot(from_ns: int, to_ns: int) -> list[int]:
        turns[0] += 1
        return list(range(HOT)) if found[0] < 3 * HOT else []

    def watch(counted: Counted) -> None:
        """Let the guest write again before the next sync: a turn behind the one that may run."""
        found[0], now = counted.xbzrle_pages, turns[0]
        if found[0] < 3 * HOT:
            until(lambda: turns[0] > now + 1, "writes of the guest")

    with waiting(qemu, machine_of(qemu), tmp_path / "d", uri, "xbzrle", stopped=True) as there:
        sent = send(
            saved[0],
            uri,
            rule=rule,
            workload=Callback(function=hot, base_page=GUEST_ENDS_AT_PAGE, pages=HOT),
            write_memory=True,
            capabilities=("return-path", "xbzrle"),
            parameters=VALUES,
            progress=watch,
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        there.reached("completed")
        assert sent.memory is not None
        same_memory(there, sent.memory, tmp_path)
        there.tell("cont")
        runs_on(there, saved)
    cache = sent.summary["xbzrle-cache"]
    assert cache["pages"] >= 3 * HOT
    assert cache["cache-miss"] >= HOT
    assert 0 < cache["bytes"] < 64 * cache["pages"]
