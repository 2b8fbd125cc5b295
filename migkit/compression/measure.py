"""Measure what multifd's compression makes of guest pages: how `measured.json` was made.

Does what QEMU does (migration/multifd-zlib.c, multifd-zstd.c): one stream a channel, page by page,
flushed at the end of each packet. Needs the package ``zstandard``, which migkit itself does not::

    python -m migkit.compression.measure > measured.json
"""

from __future__ import annotations

import json
import platform
import time
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

PAGE_BYTES = 4096
FULL, QUARTER = 128, 32
WARM, MEASURED, REPEATS = 2, 4, 3
LEVELS = {"zlib": range(10), "zstd": range(1, 21)}
DATA_BYTES = (0, 64, 512, 1024, 2048, 3072, 4096)
_NS = 1e9


def pages(data_bytes: int, count: int) -> bytes:
    """Return pages of so many random bytes each, the rest zeros."""
    random = Random(data_bytes)
    rest = bytes(PAGE_BYTES - data_bytes)
    return b"".join(random.randbytes(data_bytes) + rest for _ in range(count))


def compressor(method: str, level: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """Return what takes a page and what ends a packet."""
    if method == "zlib":
        deflate = zlib.compressobj(level)
        return deflate.compress, lambda: deflate.flush(zlib.Z_SYNC_FLUSH)
    zstd = import_module("zstandard")
    stream: Any = zstd.ZstdCompressor(level=level, write_content_size=False).compressobj()
    return stream.compress, lambda: stream.flush(zstd.COMPRESSOBJ_FLUSH_BLOCK)


def decompressor(method: str) -> Callable[[bytes], bytes]:
    """Return what takes a packet's payload."""
    if method == "zlib":
        return zlib.decompressobj().decompress
    decompress: Callable[[bytes], bytes]
    decompress = import_module("zstandard").ZstdDecompressor().decompressobj().decompress
    return decompress


def one_stream(method: str, level: int, data: bytes, count: int) -> tuple[float, float, float]:
    """Return bytes, seconds in and seconds out of an average packet of `count` pages."""
    take, end = compressor(method, level)
    give = decompressor(method)
    size = spent_in = spent_out = 0.0
    for packet in range(WARM + MEASURED):
        first = packet * count * PAGE_BYTES
        last = first + count * PAGE_BYTES
        began = time.process_time()
        parts = [take(data[at : at + PAGE_BYTES]) for at in range(first, last, PAGE_BYTES)]
        payload = b"".join(parts) + end()
        between = time.process_time()
        give(payload)
        if packet >= WARM:
            size += len(payload)
            spent_in += between - began
            spent_out += time.process_time() - between
    return size / MEASURED, spent_in / MEASURED, spent_out / MEASURED


def row(method: str, level: int, data_bytes: int) -> list[int]:
    """Measure one method at one level on one content: a row of the table."""
    data = pages(data_bytes, (WARM + MEASURED) * FULL)
    full = [one_stream(method, level, data, FULL) for _ in range(REPEATS)]
    quarter = one_stream(method, level, data, QUARTER)
    page = (full[0][0] - quarter[0]) / (FULL - QUARTER)
    return [
        level,
        data_bytes,
        round(1000 * page),
        max(round(full[0][0] - FULL * page), 0),
        round(min(item[1] for item in full) / FULL * _NS),
        round(min(item[2] for item in full) / FULL * _NS),
    ]


def main() -> None:
    """Print the table as JSON."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    head = {
        "measured_on": f"{models[0] if models else platform.machine()}, one core",
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "zstd": ".".join(str(part) for part in import_module("zstandard").ZSTD_VERSION),
        "made_by": "python -m migkit.compression.measure",
        "columns": [
            "level",
            "data_bytes",
            "page_millibytes",
            "packet_bytes",
            "compress_page_ns",
            "decompress_page_ns",
        ],
    }
    tables = []
    for method, levels in LEVELS.items():
        rows = [json.dumps(row(method, n, data)) for n in levels for data in DATA_BYTES]
        tables.append(f'  "{method}": [\n    ' + ",\n    ".join(rows) + "\n  ]")
    print(json.dumps(head, indent=2)[:-2] + ",\n" + ",\n".join(tables) + "\n}")


if __name__ == "__main__":
    main()
