"""The workload guest in a real QEMU: its memory, page by page, is what its words say."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.guest_words import fit_guest, guest_words
from migkit.lab.machine import Machine
from migkit.scenario import Scenario
from real.machine import LIMIT_S

MEMORY = 16 << 20
MASK = 0xFFFFFFFF


class Xorshift:
    def __init__(self, seed: int) -> None:
        self.state = 2463534242 ^ (seed * 2654435761 & MASK)

    def draw(self) -> int:
        x = self.state
        x ^= x << 13 & MASK
        x ^= x >> 17
        x ^= x << 5 & MASK
        self.state = x
        return x


def memory_of(qemu: Qemu, scenario: Scenario, folder: Path, run_ms: int) -> np.ndarray:
    """Run the guest until a heartbeat, stop it, and take its memory."""
    words = guest_words(scenario, beat_ms=50)
    machine_words = [
        *("-machine", "pc", "-accel", "tcg", "-nodefaults", "-display", "none", "-m", "16M"),
        *("-kernel", str(build_guest(folder)), "-append", words.append),
    ]
    if words.table:
        (folder / "table").write_bytes(words.table)
        machine_words += ["-initrd", str(folder / "table")]
    (folder / "events").touch()
    dumped = folder / "memory"

    async def run() -> None:
        machine = Machine("source", qemu, machine_words, folder, folder / "events")
        try:
            await machine.connect()
            while (machine.beat() or (0, 0))[0] < run_ms:
                assert not machine.child.ended, machine.child.said()
                await asyncio.sleep(0.01)
            await machine.tell("stop")
            await machine.tell("pmemsave", val=0, size=MEMORY, filename=str(dumped))
        finally:
            await machine.close()

    asyncio.run(asyncio.wait_for(run(), 2 * LIMIT_S))
    return np.fromfile(dumped, dtype="<u4").reshape(-1, 1024)


def test_pages_are_written_as_the_captures_readme_says(qemu_after: Qemu, tmp_path: Path) -> None:
    text = "hotcold:3500,hot=40,percent=80,pages=200,base=1024,seed=7,write=count"
    scenario = fit_guest(Scenario.build(memory="16MiB", workload=text))
    memory = memory_of(qemu_after, scenario, tmp_path, 300)
    draws = Xorshift(7)
    expected = np.array([[draws.draw() for _ in range(1024)] for _ in range(200)], dtype="u4")
    seen = memory[1024:1224]
    # It is stopped between any two writes.
    for count in range(1, 3500 * 60):
        hot = draws.draw() % 100 < 80
        page = draws.draw() % 40 if hot else 40 + draws.draw() % 160
        expected[page, (count & 511) * 2] = count
        if count >= 1000 and np.array_equal(expected, seen):
            break
    else:
        pytest.fail("no number of writes gives this memory")
    # 3500 a second are 7 in two batches of a millisecond each.
    assert count >= 1050
    zero = ~memory[:1024].any(axis=1)
    assert 0 < np.count_nonzero(~zero) <= 40
    assert memory[511].any()
    assert not memory[1224:4000].any()


def test_content_zipf_phases_and_writes(qemu_before: Qemu, tmp_path: Path) -> None:
    text = (
        "phases:zipf:20000,exponent=1.5,pages=100,base=1100,write=delta(1x1)@200ms+"
        "sequential:1000,pages=50,base=1300,write=compressible(4)@100s"
    )
    content = "zero:50%,compressible(8):50%,run=1"
    scenario = fit_guest(Scenario.build(memory="16MiB", workload=text, content=content))
    memory = memory_of(qemu_before, scenario, tmp_path, 300)
    data = memory[1100:4000]
    bytes_with_data = np.count_nonzero(data.view("u1").reshape(len(data), -1), axis=1)
    filled = bytes_with_data[250:] > 0
    # Half of the pages are zero, the others hold 512 bytes; a random byte may be zero too.
    assert 0.4 < filled.mean() < 0.6
    assert 480 <= bytes_with_data[250:].max() <= 512
    # 4000 writes of a byte each went to 100 pages, most of them to the first.
    zipf = memory[1100:1200].view("u1").reshape(100, -1)
    outside = np.count_nonzero(zipf[:, 512:], axis=1)
    assert outside[0] > outside[1] > outside[50:].max()
    written = memory[1300:1350].view("u1").reshape(50, -1)
    assert (np.count_nonzero(written[:, :1024], axis=1) > 900).sum() >= 40
    assert not written[:, 1024:].any()


def test_its_clock_and_rate_show_in_the_heartbeat(qemu_after: Qemu, tmp_path: Path) -> None:
    scenario = fit_guest(Scenario.build(memory="16MiB", workload="uniform:2500,pages=100"))
    memory_of(qemu_after, scenario, tmp_path, 400)
    beats = re.findall(r"beat (\d+) (\d+)\n", (tmp_path / "source.serial").read_text())
    assert len(beats) >= 8
    assert [(int(ms), int(writes)) for ms, writes in beats] == [
        (50 * n, 125 * n) for n in range(1, len(beats) + 1)
    ]
