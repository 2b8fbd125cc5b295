"""migkit to migkit: a source and a destination of ours, over a socket and through a folder."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from live.send_peer import SIZE, contents, holding, save_guest
from migkit.errors import StorageError
from migkit.live import Receiver, Reception, Sent, send
from migkit.live.sending.guest_image import read_image

MEMORY = {"pc.ram": contents(1500, 300), "rom": contents(30, 2, seed=6)}
SLOW = {"max-bandwidth": 16 << 20, "max-postcopy-bandwidth": 16 << 20}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


def moved(
    source: Path, folder: Path, faults: str | None = None, **values: object
) -> tuple[Sent, Reception]:
    receiver = Receiver(f"unix:{folder / 'r'}", faults=faults, seed=3, wait_s=60.0)
    came: list[Reception] = []
    thread = threading.Thread(target=lambda: came.append(receiver.run()))
    thread.start()
    sent = send(source, str(receiver.address), **values)  # type: ignore[arg-type]
    thread.join(60)
    return sent, came[0]


def test_a_guest_in_a_folder_is_the_one_in_the_file(tmp_path: Path, saved: Path) -> None:
    _, came = moved(saved, tmp_path)
    came.save(tmp_path / "kept")
    file, folder = read_image(saved), read_image(tmp_path / "kept")
    assert np.array_equal(file.memory, folder.memory)
    assert np.array_equal(file.zero, folder.zero)
    for name in ("blocks", "configuration", "sections", "description", "ram_section"):
        assert getattr(file, name) == getattr(folder, name), name
    assert file.switchover_start == folder.switchover_start
    (tmp_path / "again").mkdir()
    sent, came = moved(tmp_path / "kept", tmp_path / "again")
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="saved guest"):
        send(tmp_path, f"unix:{tmp_path}/nobody")


@pytest.mark.parametrize("preempt", [False, True])
def test_requests_of_ours_are_served_by_ours(tmp_path: Path, saved: Path, preempt: bool) -> None:
    on = ("postcopy-ram", "postcopy-preempt") if preempt else None
    values = {"capabilities": on, "postcopy_at_s": 0.05, "parameters": SLOW}
    values["progress"] = holding(6)
    sent, came = moved(saved, tmp_path, "uniform:400", **values)
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)
    assert came.requests_sent == sent.summary["ram"]["postcopy-requests"] > 5
    told = sent.report()["requests"]
    assert told["asked"] == came.requests_sent
    assert 0 < told["served"] <= told["asked"]
    counted = came.stream.counters
    ram = sent.summary["ram"]
    names = ("normal", "duplicate", "precopy-bytes", "postcopy-bytes", "transferred")
    assert {name: ram[name] for name in names} == {name: counted[name] for name in names}


def test_multifd_of_ours_is_unpacked_by_ours(tmp_path: Path, saved: Path) -> None:
    values = {
        "capabilities": ("multifd", "return-path"),
        "parameters": {"multifd-compression": "zlib", "multifd-channels": 3},
    }
    sent, came = moved(saved, tmp_path, **values)
    assert (sent.outcome, came.missing_pages) == ("completed", 0)
    came.save(tmp_path / "kept")
    memory = read_image(tmp_path / "kept").memory
    assert np.array_equal(memory, np.concatenate(list(MEMORY.values())))
    assert len(memory) % SIZE == 0


@pytest.mark.parametrize(
    ("machine", "waits"), [("pc-i440fx-11.0", True), ("pc-i440fx-11.1", False)]
)
def test_newer_machine_types_wait_for_no_acknowledgement(
    tmp_path: Path, saved: Path, machine: str, waits: bool
) -> None:
    old, new = b"\x00\x00\x00\x04none", len(machine).to_bytes(4, "big") + machine.encode()
    saved.write_bytes(saved.read_bytes().replace(old, new, 1))
    receiver = Receiver(f"unix:{tmp_path / 'r'}", wait_s=60.0, switchover_ack=True)
    thread = threading.Thread(target=receiver.run)
    thread.start()
    sent = send(saved, str(receiver.address), capabilities=("return-path", "switchover-ack"))
    thread.join(60)
    assert (sent.outcome, sent.error) == ("completed", "")
    acknowledged = (sent.events["event"] == "source_return_path_thread_switchover_acked").any()
    assert acknowledged == waits


@pytest.mark.parametrize("postcopy_at_s", [None, 0.15])
def test_what_a_thread_writes_meanwhile_arrives(
    tmp_path: Path, saved: Path, postcopy_at_s: float | None
) -> None:
    sent, came = moved(
        saved,
        tmp_path,
        workload="uniform:4000,seed=2",
        write_memory=True,
        postcopy_at_s=postcopy_at_s,
        parameters=SLOW | {"downtime-limit": 20},
    )
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)
    came.save(tmp_path / "kept")
    before, after = read_image(saved).memory, read_image(tmp_path / "kept").memory
    assert sent.memory is not None
    assert np.array_equal(after, sent.memory)
    changed = (before != after).reshape(-1, SIZE).any(axis=1)
    assert changed.sum() > 100
    assert sent.summary["ram"]["dirty-sync-count"] >= 2
