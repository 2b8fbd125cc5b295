"""Capabilities that migkit's source has of its own, with real QEMUs at the other side."""

from __future__ import annotations

from pathlib import Path

import pytest

from migkit.lab import Qemu
from migkit.live import send
from migkit.live.sending.counted import Counted
from real.send_destination import machine_of, runs_on, waiting

Saved = tuple[Path, int]


def test_auto_converge_lets_a_fast_guest_arrive(
    qemu_after: Qemu, saved_after: Saved, tmp_path: Path
) -> None:
    """It dirties five times what is sent; slowed down to a tenth and less, it fits."""
    uri = f"unix:{tmp_path / 's'}"
    with waiting(qemu_after, machine_of(qemu_after), tmp_path / "d", uri) as there:
        sent = send(
            saved_after[0],
            uri,
            qemu_version=".".join(map(str, qemu_after.version)),
            workload="uniform:20000",
            capabilities=("return-path", "auto-converge"),
            parameters={"max-bandwidth": 16 << 20, "cpu-throttle-initial": 90},
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved_after)
    assert sent.throttling["cpu_throttle_percentage"].tolist()[0] == 90
    assert sent.throttling["t_ns"][0] > 2_000_000_000  # two bad periods


@pytest.mark.parametrize("rule", ["before", "after"])
def test_pages_that_were_given_back_are_there(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Postcopy begins long before all was sent: what it misses comes, and is dropped here."""
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: Saved = request.getfixturevalue(f"saved_{rule}")
    uri, passes = f"unix:{tmp_path / 's'}", [0]

    def watch(counted: Counted) -> None:
        passes[0] += not counted.postcopy_bytes

    with waiting(qemu, machine_of(qemu), tmp_path / "d", uri, "postcopy-ram") as there:
        sent = send(
            saved[0],
            uri,
            rule=rule,
            qemu_version=".".join(map(str, qemu.version)),
            capabilities=("postcopy-ram", "release-ram", "xbzrle"),
            parameters={"max-bandwidth": 32 << 20, "downtime-limit": 1},
            postcopy_at_s=0.15,
            progress=watch,
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved)
    assert sent.released_pages * 4096 == sent.counters["total_bytes"]
    syncs = sent.rounds["reason"].tolist()
    assert syncs[-1] == "postcopy"
    if qemu.version >= (11, 1):  # in every pass; and the last one is not counted
        assert syncs.count("exact") >= max(passes[0], 1)
        assert sent.summary["ram"]["dirty-sync-count"] == len(syncs) - 1
    else:
        assert sent.summary["ram"]["dirty-sync-count"] == len(syncs)
