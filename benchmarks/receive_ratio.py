"""How fast ``migkit receive`` takes a migration in, as a ratio to QEMU's own destination.

``python benchmarks/receive_ratio.py [RULE] [MIB] [REPEATS]`` migrates a stopped guest of random
data from a real QEMU, without a bandwidth limit, to a QEMU and to ``migkit receive`` in turn; with
multifd too. It needs the lab (``migkit lab install``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection

from real_migration import compare

from migkit.live import Receiver


@contextlib.contextmanager
def to_qemu(port: int) -> Iterator[str]:
    """Let QEMU's destination take it."""
    yield f"tcp:127.0.0.1:{port}"


def receive(address: Connection) -> None:
    """Tell the address, then take one guest."""
    receiver = Receiver("tcp:127.0.0.1:0", recover_s=0)
    address.send(str(receiver.address))
    receiver.run()


@contextlib.contextmanager
def to_migkit(_: int) -> Iterator[str]:
    """Let a process of ours take it."""
    process_kind = multiprocessing.get_context("spawn")
    here, there = process_kind.Pipe()
    process = process_kind.Process(target=receive, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
        process.join(20)
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    for on in ((), ("multifd",)):
        print(*(on or ("one channel",)))
        compare({"qemu": to_qemu, "migkit": to_migkit}, "migkit", *on)
