"""Make a recorded stream small: set the contents of its pages to zero bytes, and nothing else.

``python datasets/blank_pages.py FROM TO`` takes folders of streams as they were recorded. Headers,
commands, device state and xbzrle differences stay; lengths and offsets stay the same.
"""

from __future__ import annotations

import lzma
import shutil
import sys
from pathlib import Path

from migkit.stream import Stream, read_stream

MAIN = ("stream.xz", "channel-0-to-destination.xz")
CONTINUE = 0x20


def blank_main(data: bytearray, stream: Stream) -> None:
    """Blank the pages of page records and of mapped-ram."""
    size = stream.page_size
    pages = stream.pages
    normal = pages[(pages["kind"] == "normal") & (pages["channel"] == "main")]
    for offset in normal["offset"].astype(int):
        head = 8
        if not data[offset + 7] & CONTINUE:
            head += 1 + data[offset + 8]
        data[offset + head : offset + head + size] = bytes(size)
    for block in stream.ram_blocks:
        if block.pages_offset is not None:
            end = block.pages_offset + block.used_length
            data[block.pages_offset : end] = bytes(block.used_length)


def blank_packets(data: bytearray, stream: Stream, channel: int) -> None:
    """Blank the payload of uncompressed packets."""
    packets = stream.packets
    for row in packets[packets["channel_id"] == channel].itertuples():
        length = int(row.normal_pages) * stream.page_size
        end = int(row.offset) + int(row.bytes)
        data[end - length : end] = bytes(length)


def blank_folder(source: Path, target: Path) -> None:
    """Blank all channels of one recording and copy what is not a stream."""
    target.mkdir(parents=True)
    files = {path.name: lzma.open(path).read() for path in sorted(source.glob("*.xz"))}
    main = next(name for name in MAIN if name in files)
    others = [n for n in files if n != main and n.endswith("-to-destination.xz")]
    stream = read_stream(files[main], channels=[files[n] for n in others])
    for name, raw in files.items():
        data = bytearray(raw)
        if name == main:
            blank_main(data, stream)
        elif name in others and raw:
            blank_packets(data, stream, raw[24])
        (target / name).write_bytes(lzma.compress(bytes(data), preset=9))
    shutil.copyfile(source / "expected.json", target / "expected.json")


if __name__ == "__main__":
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        blank_folder(folder, Path(sys.argv[2]) / folder.name)
