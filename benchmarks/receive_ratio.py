"""How fast ``migkit receive`` takes a migration in, as a ratio to QEMU's own destination.

``python benchmarks/receive_ratio.py [RULE] [MIB] [REPEATS]`` migrates a stopped guest of random
data from a real QEMU, without a bandwidth limit, to a QEMU and to ``migkit receive`` in turn; with
multifd too. It needs the lab (``migkit lab install``).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from real_migration import compare


@contextlib.contextmanager
def to_qemu(port: int) -> Iterator[str]:
    """Let QEMU's destination take it."""
    yield f"tcp:127.0.0.1:{port}"


@contextlib.contextmanager
def to_migkit(_: int) -> Iterator[str]:
    """Let a process of ours take it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp:127.0.0.1:{free.getsockname()[1]}"
    words = [sys.executable, "-m", "migkit", "receive", address, "--recover", "0s"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    try:
        yield address
        process.wait(20)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    for on in ((), ("multifd",)):
        print(*(on or ("one channel",)))
        compare({"qemu": to_qemu, "migkit": to_migkit}, "migkit", *on)
