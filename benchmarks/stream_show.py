"""How fast a stream is read, as a ratio to plain reading of the same file.

``python benchmarks/stream_show.py [GIB]`` writes streams into a temporary folder, so that they lie
in the page cache, and reads each a few times: pages in long runs, and pages that alternate with
zero pages, where no run helps.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from migkit.stream import read_stream

PAGE = 4096
HEAD = bytes.fromhex(
    "5145564d 00000003 07 00000004 6e6f6e65 01 00000001 03 72616d 00000000 00000004"
)
EOS = struct.pack(">QBI", 0x10, 0x7E, 1)
REPEATS = 4


def write(path: Path, pages: int, *, alternating: bool) -> None:
    """Write a precopy stream of so many pages with contents."""
    per_part = 8192
    with path.open("wb") as file:
        total = 2 * pages * PAGE
        file.write(
            HEAD + struct.pack(">Q", total | 0x4) + b"\3ram" + struct.pack(">Q", total) + EOS
        )
        for number in range(pages):
            if number % per_part == 0:
                file.write((EOS if number else b"") + b"\x02\0\0\0\1")
            flags = 0x28 if number else 0x08
            name = b"" if number else b"\3ram"
            file.write(struct.pack(">Q", 2 * number * PAGE | flags) + name + b"\xaa" * PAGE)
            if alternating:
                file.write(struct.pack(">QB", (2 * number + 1) * PAGE | 0x22, 0))
        file.write(EOS + b"\x03\0\0\0\1" + EOS + b"\0")


def plain(path: Path) -> None:
    """Read a file as it is."""
    block = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass


def best(function: Callable[[], object]) -> float:
    """Return the shortest of a few times, s."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print a line for each stream."""
    gib = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("runs", "alternating"):
            path = Path(folder) / name
            write(path, int(gib * (1 << 30)) // PAGE, alternating=name == "alternating")
            size = path.stat().st_size
            bare = size / best(partial(plain, path)) / 1e9
            sums = size / best(partial(read_stream, path, pages=False)) / 1e9
            pages = size / best(partial(read_stream, path)) / 1e9
            share = f"({sums / bare:.2f} of plain)"
            print(
                f"{name:<12} plain {bare:5.2f} GB/s  sums {sums:5.2f} GB/s {share}  "
                f"with pages {pages:5.2f} GB/s"
            )


if __name__ == "__main__":
    main()
