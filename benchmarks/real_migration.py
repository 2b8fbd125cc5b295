"""One real migration of a stopped guest of random data, timed by the source's own counters."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from migkit.lab import choose_qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.machine import Machine

NO_LIMIT = 100 << 30
# What stands between the machines: given the port that QEMU's destination listens on, the address
# for the source.
Way = Callable[[int], AbstractContextManager[str]]


async def migrate(way: Way, rule: str, mib: int, folder: Path, *capabilities: str) -> float:
    """Migrate once; return MB/s by the source's counters."""
    work = f"phase=4,1024,{mib * 256},0,0,1,1,1,0,0,0,0,0 write=1,1,8,4294967295"
    append = f"beat=100 fill=1024,{mib * 256} {work}"
    words = [*"-machine pc -accel tcg -nodefaults -display none -m".split(), f"{mib + 64}M",
             "-kernel", str(build_guest(folder)), "-append", append]  # fmt: skip
    (folder / "events").write_text("")
    made = (choose_qemu(rule), folder, folder / "events")
    source = Machine("source", made[0], words, *made[1:])
    dest = Machine("dest", made[0], [*words, "-incoming", "defer"], *made[1:])
    states = [{"capability": name, "state": True} for name in capabilities]
    try:
        for machine in (source, dest):
            await machine.connect()
            await machine.tell("migrate-set-capabilities", capabilities=states)
        while source.beat() is None:
            await asyncio.sleep(0.05)
        await source.tell("stop")
        await source.tell("migrate-set-parameters", max_bandwidth=NO_LIMIT)
        await dest.tell("migrate-incoming", uri="tcp:127.0.0.1:0")
        told = await dest.tell("query-migrate")
        with way(int(told["socket-address"][0]["port"])) as address:
            await source.tell("migrate", uri=address)
            while (now := await source.tell("query-migrate"))["status"] != "completed":
                if now["status"] == "failed":
                    raise RuntimeError(f"the migration failed: {now.get('error-desc')}")
                await asyncio.sleep(0.02)
        return float(now["ram"]["transferred"] / now["total-time"] / 1e3)
    finally:
        await source.close()
        await dest.close()


def compare(ways: dict[str, Way], of: str, *capabilities: str) -> None:
    """Migrate each way in turn, as often as the command line says; print speeds and ratios.

    The command line is ``[RULE] [MIB] [REPEATS]``.
    """
    rule, mib, repeats = [*sys.argv[1:], *("after", "1024", "5")[len(sys.argv) - 1 :]]
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(int(repeats)):
        for name in ways if repeat % 2 == 0 else reversed(ways):
            with tempfile.TemporaryDirectory() as folder:
                one = migrate(ways[name], rule, int(mib), Path(folder), *capabilities)
                speeds[name].append(asyncio.run(one))
            print(f"{repeat} {name:<8} {speeds[name][-1]:7.0f} MB/s", flush=True)
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    print(", ".join(f"{name} {speed:.0f} MB/s" for name, speed in middle.items()))
    print(
        ", ".join(f"{of} to {name} {middle[of] / middle[name]:.2f}" for name in ways if name != of)
    )
