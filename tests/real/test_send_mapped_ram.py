"""Files with mapped-ram that migkit writes: real QEMUs load them, and their guest runs on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migkit.lab import Qemu
from migkit.live import send
from migkit.live.sending.guest_image import read_image
from real.send_destination import machine_of, runs_on, same_memory, waiting

AGAIN = "phases:uniform:20000@300ms+idle@900s"
"""What it dirties makes pages be written to their places again."""


@pytest.mark.parametrize("more", [(), ("multifd",)], ids=["plain", "multifd"])
@pytest.mark.parametrize("rule", ["before", "after"])
def test_qemu_loads_it(
    rule: str, more: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: tuple[Path, int] = request.getfixturevalue(f"saved_{rule}")
    uri, on = f"file:{tmp_path / 'placed'}", ("mapped-ram", *more)
    values = {"max-bandwidth": 64 << 20, "downtime-limit": 20, "multifd-channels": 3}
    sent = send(saved[0], uri, rule=rule, capabilities=on, workload=AGAIN, parameters=values)
    assert (sent.outcome, sent.error) == ("completed", "")
    assert sent.summary["ram"]["normal"] > 1000
    channels = {"multifd_channels": 3} if more else {}
    with waiting(
        qemu, machine_of(qemu), tmp_path / "d", uri, *on, stopped=True, **channels
    ) as there:
        there.reached("completed")
        same_memory(there, read_image(saved[0]).memory, tmp_path)
        there.tell("cont")
        runs_on(there, saved)


def test_an_offset_is_told_to_qemu_too(
    qemu_after: Qemu, saved_after: tuple[Path, int], tmp_path: Path
) -> None:
    uri = f"file:{tmp_path / 'placed'},offset=8192"
    sent = send(saved_after[0], uri, capabilities=("mapped-ram",))
    assert (sent.outcome, sent.error) == ("completed", "")
    with waiting(qemu_after, machine_of(qemu_after), tmp_path / "d", uri, "mapped-ram") as there:
        runs_on(there, saved_after)
    placed = (tmp_path / "placed").read_bytes()
    assert not any(placed[:8192])
    assert np.array_equal(np.frombuffer(placed[8192:8196], np.uint8), [81, 69, 86, 77])
