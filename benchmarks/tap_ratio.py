"""How much a tap slows a migration down, as a ratio to a plain relay and to none.

``python benchmarks/tap_ratio.py [RULE] [MIB] [REPEATS]`` migrates a stopped guest of random data
between two real QEMUs of a completion rule, without a bandwidth limit: straight, through a relay
that only copies, and through a tap, in turn. It needs the lab (``migkit lab install``).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from migkit.lab import choose_qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.machine import Machine
from migkit.tap import Tap

MODES = ("none", "relay", "tap")
NO_LIMIT = 100 << 30
AT_ONCE = 1 << 20


class Relay:
    """Copies, in a thread for each direction; the least that a relay in Python does."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=ends, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        block = memoryview(bytearray(AT_ONCE))
        with contextlib.suppress(OSError):
            while count := source.recv_into(block):
                target.sendall(block[:count])
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def through(mode: str, port: int) -> Iterator[str]:
    """Give the address that the source connects to."""
    if mode == "none":
        yield f"tcp:127.0.0.1:{port}"
    elif mode == "relay":
        relay = Relay(port)
        yield relay.address
        relay.close()
    else:
        with Tap("tcp:127.0.0.1:0", f"tcp:127.0.0.1:{port}") as tap:
            yield str(tap.address)
            tap.wait(20)


async def migrate(mode: str, rule: str, mib: int, folder: Path) -> tuple[float, float]:
    """Migrate once; return MB/s by the source's counters, and CPU seconds of this process."""
    work = f"phase=4,1024,{mib * 256},0,0,1,1,1,0,0,0,0,0 write=1,1,8,4294967295"
    append = f"beat=100 fill=1024,{mib * 256} {work}"
    words = [*"-machine pc -accel tcg -nodefaults -display none -m".split(), f"{mib + 64}M",
             "-kernel", str(build_guest(folder)), "-append", append]  # fmt: skip
    (folder / "events").write_text("")
    made = (choose_qemu(rule), folder, folder / "events")
    source = Machine("source", made[0], words, *made[1:])
    dest = Machine("dest", made[0], [*words, "-incoming", "defer"], *made[1:])
    try:
        for machine in (source, dest):
            await machine.connect()
        while source.beat() is None:
            await asyncio.sleep(0.05)
        await source.tell("stop")
        await source.tell("migrate-set-parameters", max_bandwidth=NO_LIMIT)
        await dest.tell("migrate-incoming", uri="tcp:127.0.0.1:0")
        told = await dest.tell("query-migrate")
        with through(mode, int(told["socket-address"][0]["port"])) as address:
            began = time.process_time()
            await source.tell("migrate", uri=address)
            while (now := await source.tell("query-migrate"))["status"] != "completed":
                await asyncio.sleep(0.02)
            spent = time.process_time() - began
        return now["ram"]["transferred"] / now["total-time"] / 1e3, spent
    finally:
        await source.close()
        await dest.close()


def main() -> None:
    """Print a line for each run, then the medians and their ratios."""
    rule, mib, repeats = "after", 1024, 5
    given = sys.argv[1:]
    rule = given[0] if given else rule
    mib, repeats = (int(n) for n in (*given[1:], *(mib, repeats)[len(given[1:]) :]))
    speeds: dict[str, list[float]] = {mode: [] for mode in MODES}
    for repeat in range(repeats):
        for mode in MODES if repeat % 2 == 0 else reversed(MODES):
            with tempfile.TemporaryDirectory() as folder:
                speed, spent = asyncio.run(migrate(mode, rule, mib, Path(folder)))
            speeds[mode].append(speed)
            print(f"{repeat} {mode:<6} {speed:7.0f} MB/s  {spent:5.2f} s of processor", flush=True)
    middle = {mode: statistics.median(found) for mode, found in speeds.items()}
    print(", ".join(f"{mode} {speed:.0f} MB/s" for mode, speed in middle.items()))
    print(f"tap to relay {middle['tap'] / middle['relay']:.2f}, ", end="")
    print(f"tap to none {middle['tap'] / middle['none']:.2f}")


if __name__ == "__main__":
    main()
