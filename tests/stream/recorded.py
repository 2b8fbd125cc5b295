"""The recorded streams that ship, unpacked once."""

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from migkit import datasets
from migkit.stream import Stream, read_stream

KINDS = {name: name.split("-", 1)[1] for name in datasets.stream_names()}


def named(*kinds: str) -> list[str]:
    """Return the recordings of these kinds, of every version of QEMU."""
    return [name for name, kind in KINDS.items() if kind in kinds]


@cache
def channel(name: str, file: str) -> bytes:
    return lzma.decompress((datasets.stream_folder(name) / file).read_bytes())


def main(name: str) -> bytes:
    """Return the main stream."""
    file = datasets.stream_folder(name) / "stream.xz"
    return channel(name, file.name if file.exists() else "channel-0-to-destination.xz")


def others(name: str) -> list[bytes]:
    """Return the other channels of the source."""
    found = sorted(datasets.stream_folder(name).glob("channel-[1-9]*-to-destination.xz"))
    return [channel(name, Path(path).name) for path in found]


def return_path(name: str) -> bytes:
    return channel(name, "channel-0-to-source.xz")


@cache
def stream(name: str) -> Stream:
    """Read a recording with all its channels."""
    back = None
    if (datasets.stream_folder(name) / "channel-0-to-source.xz").exists():
        back = return_path(name)
    return read_stream(main(name), channels=others(name), return_path=back)


@cache
def expected(name: str) -> dict[str, Any]:
    text = (datasets.stream_folder(name) / "expected.json").read_text(encoding="utf-8")
    told: dict[str, Any] = json.loads(text)
    return told
