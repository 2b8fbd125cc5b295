"""migkit to migkit: what one end sends the other one has, and both count alike."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live.send_peer import contents, holding, save_guest
from migkit.live import Receiver, Reception, send

MEMORY = {"pc.ram": contents(3000, 500), "rom": contents(30, 2, seed=6)}


def migrate(tmp_path: Path, received: dict[str, Any], **sent: Any) -> tuple[Any, Reception]:
    saved = save_guest(tmp_path / "guest.mig", MEMORY)
    receiver = Receiver(f"unix:{tmp_path}/incoming", wait_s=60.0, recover_s=0, **received)
    results: list[Reception] = []
    running = threading.Thread(target=lambda: results.append(receiver.run()), daemon=True)
    running.start()
    told = send(saved, str(receiver.address), **sent)
    running.join(60)
    [found] = results
    assert (told.outcome, found.outcome) == ("completed", "completed"), (told.error, found.error)
    for name, memory in MEMORY.items():
        assert (np.frombuffer(found.ram(name), np.uint8) == memory).all()
    mine, theirs = found.to_dict()["qemu_counts"], told.report()["qemu_counts"]
    same = ("normal_pages", "duplicate_pages", "precopy_bytes", "postcopy_bytes")
    assert {n: mine[n] for n in same} == {n: theirs[n] for n in same}
    return told, found


def test_precopy(tmp_path: Path) -> None:
    _, found = migrate(tmp_path, {})
    assert found.missing_pages == 0


@pytest.mark.parametrize("method", ["none", "zlib", "zstd"])
def test_multifd(tmp_path: Path, method: str) -> None:
    _, found = migrate(
        tmp_path,
        {},
        capabilities=["return-path", "multifd"],
        parameters={"multifd-channels": 3, "multifd-compression": method},
    )
    assert found.stream.packets["channel_id"].nunique() == 3


@pytest.mark.parametrize("more", [[], ["postcopy-preempt"]], ids=["plain", "preempt"])
def test_postcopy(tmp_path: Path, more: list[str]) -> None:
    told, found = migrate(
        tmp_path,
        {"faults": "uniform:500"},
        capabilities=["return-path", "postcopy-ram", *more],
        parameters={"max-bandwidth": 8 << 20, "max-postcopy-bandwidth": 16 << 20},
        postcopy_at_s=0.2,
        progress=holding(1),
    )
    assert found.requests_sent == told.report()["requests"]["asked"] > 0
    assert found.to_dict()["request_latency_us"]["p50"] > 0
