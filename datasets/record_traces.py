"""Record the dirty traces anew: ``python datasets/record_traces.py FOLDER [NAME ...]``.

Each is one precopy migration between two real QEMUs of the rule "after" (``migkit lab install``),
through a tap that keeps pages. Then run ``python datasets/register.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from migkit.lab import choose_qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.machine import Machine
from migkit.stream import page_history
from migkit.tap import Tap, TapResult

MEMORY_BYTES, FIRST, PAGES, PAGE = 64 << 20, 1024, 12288, 4096
BANDWIDTH, DOWNTIME_MS, LET_GO_S, LET_GO_MS = 16 << 20, 10, 18.0, 2000
KINDS = {"sequential": 0, "uniform": 1, "hotcold": 2}
EVERY_WRITE = "write=1,1,8,4294967295"
"""Eight bytes at one place of a page."""

Pattern = dict[str, Any]
UNIFORM: Pattern = {"pattern": "uniform", "pages": PAGES, "rate_pages_per_s": 6000}
HOT: Pattern = {**UNIFORM, "pattern": "hotcold", "hot_pages": 512, "hot_percent": 90, "seed": 2}
PHASES = [{**UNIFORM, "duration_ms": 3000}, {**HOT, "duration_ms": 3000}]
TRACES: dict[str, tuple[str, Pattern]] = {
    "hotcold": (
        "1024 of 12288 pages get 80 % of the writes: rounds settle at the hot pages",
        {**HOT, "hot_pages": 1024, "hot_percent": 80, "seed": 1},
    ),
    "sequential": (
        "one page after the other at less than the bandwidth: rounds shrink to nothing",
        {**UNIFORM, "pattern": "sequential", "rate_pages_per_s": 3000},
    ),
    "uniform": (
        "all pages alike, more writes than bandwidth: rounds settle at a share of memory",
        {**UNIFORM, "rate_pages_per_s": 5000},
    ),
    "phases": (
        "3 s uniform, 3 s hot and cold, again and again: rounds grow and shrink",
        {"pattern": "phases", "phases": PHASES},
    ),
}


def words(workload: Pattern) -> str:
    """Write the guest's words; see ``migkit/lab/program/guest.c``."""
    told = ["beat=100", f"fill={FIRST},{PAGES}"]
    for phase in workload.get("phases", [workload]):
        whole, part = divmod(phase["rate_pages_per_s"], 1000)
        numbers = (
            *(KINDS[phase["pattern"]], FIRST, PAGES, whole, part, 1000, 1, phase.get("seed", 1)),
            *(phase.get("hot_pages", 0), phase.get("hot_percent", 0)),
            *(phase.get("duration_ms", 0), 0, 0),
        )
        told += ["phase=" + ",".join(map(str, numbers)), EVERY_WRITE]
    return " ".join(told)


async def record(workload: Pattern, folder: Path) -> tuple[TapResult, dict[str, Any]]:
    """Migrate once; return what passed, and the source's final query-migrate."""
    common = [*"-machine pc -accel tcg -nodefaults -display none -m".split(), "64M",
              "-kernel", str(build_guest(folder)), "-append", words(workload)]  # fmt: skip
    (folder / "events").write_text("")
    rest = (folder, folder / "events")
    source = Machine("source", choose_qemu("after"), common, *rest)
    dest = Machine("dest", choose_qemu("after"), [*common, "-incoming", "defer"], *rest)
    try:
        for machine in (source, dest):
            await machine.connect()
        while source.beat() is None:
            await asyncio.sleep(0.05)
        limits = {"max_bandwidth": BANDWIDTH, "downtime_limit": DOWNTIME_MS}
        await source.tell("migrate-set-parameters", **limits)
        await dest.tell("migrate-incoming", uri=f"unix:{folder}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{folder}/incoming", pages=True) as tap:
            await source.tell("migrate", uri=str(tap.address))
            await asyncio.sleep(LET_GO_S)
            await source.tell("migrate-set-parameters", downtime_limit=LET_GO_MS)
            while (told := await source.tell("query-migrate"))["status"] == "active":
                await asyncio.sleep(0.05)
            tap.wait(20)
        return tap.result(), told
    finally:
        await source.close()
        await dest.close()


def write(folder: Path, about: str, workload: Pattern, result: TapResult, told: Any) -> None:
    """Write the two files of a trace."""
    assert result.qemu_counts["normal_pages"] == told["ram"]["normal"]
    assert result.qemu_counts["duplicate_pages"] == told["ram"]["duplicate"]
    history = page_history(result.stream)
    passed = result.sections["first_ns"].to_numpy(np.int64)
    times = passed[result.stream.pages["record"].to_numpy(np.int64)]
    inside = (history["page"] < MEMORY_BYTES // PAGE).to_numpy(bool)
    columns = {
        "page": pa.array(history["page"].to_numpy(np.int32)[inside]),
        "round": pa.array(history["round"].to_numpy(np.int16)[inside]),
        "zero": pa.array((history["kind"] == "zero").to_numpy(bool)[inside]),
        "t_ns": pa.array(times[inside]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table(columns), folder / "pages.parquet", compression="zstd", compression_level=19,
        use_dictionary=["t_ns", "round", "zero"], column_encoding={"page": "DELTA_BINARY_PACKED"},
    )  # fmt: skip
    let_go = {"command": "migrate-set-parameters", "at_s": LET_GO_S,
              "arguments": {"downtime-limit": LET_GO_MS}}  # fmt: skip
    parameters = {"max-bandwidth": BANDWIDTH, "downtime-limit": DOWNTIME_MS}
    qemu = choose_qemu("after")
    document = {
        "name": folder.name,
        "about": about,
        "qemu": {"version": qemu.version_text, "completion_rule": qemu.rule, "accelerator": "tcg",
                 "machine": "pc", "vcpus": 1},
        "guest": {"memory_bytes": MEMORY_BYTES, "data": {"first_page": FIRST, "pages": PAGES}},
        "workload": {**workload, "base_page": FIRST, "batch_ms": 1,
                     "writes": "8 random bytes at a random place of a page"},
        "migration": {"transport": "tcp to the tap, unix from it", "parameters": parameters,
                      "timeline": [let_go] if told["total-time"] > LET_GO_S * 1000 else []},
        "blocks_left_out": [{"name": block.name, "used_bytes": block.used_length}
                            for block in result.stream.ram_blocks[1:]],
        "query_migrate": told,
    }  # fmt: skip
    (folder / "trace.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Record those that are named, or all."""
    for name in sys.argv[2:] or TRACES:
        about, workload = TRACES[name]
        with tempfile.TemporaryDirectory() as folder:
            result, told = asyncio.run(record(workload, Path(folder)))
        write(Path(sys.argv[1]) / name, about, workload, result, told)
        print(f"{name}: {len(result.stream.rounds)} rounds, {result.qemu_counts}")


if __name__ == "__main__":
    main()
