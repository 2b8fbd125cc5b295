"""A guest that was saved: its RAM and the state of its devices, in a folder.

``index.json``
    ``format`` 1; ``outcome`` of the migration; ``page_size`` in bytes; ``configuration`` with
    ``machine``, ``page_bits``, ``capabilities`` and ``uuid`` of the stream's head; ``blocks``, in
    the stream's order, each with ``name``, ``used_length`` in bytes, ``page_bytes`` of its host
    page where the stream told it (else null), and ``file``; ``sections``, in the stream's order,
    each with ``kind``, ``section_id``, ``name``, ``instance_id``, ``version_id``, ``in_package``,
    and ``offset`` and ``length`` of its body in ``devices.bin``; ``ram_section``, the section id
    of RAM; ``switchover_start``, whether the source announced the switchover by that command.
``ram-N.bin``
    The bytes of block N, ``used_length`` of them; pages that were zero or did not come are holes.
``devices.bin``
    The bodies of all sections that are not RAM, without heads and footers, one behind the other.
    Sections of kind ``full`` are the state of devices, in the order in which they are loaded.
``vmdesc.json``
    The description of devices as the source wrote it; empty where it wrote none, as in postcopy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from migkit.atomic import whole_folder
from migkit.errors import InputError, StorageError
from migkit.stream.configuration import Configuration

from .sections import DeviceSection

__all__ = ["SavedBlock", "SavedState", "check_place", "read_saved", "write_saved"]

_FORMAT = 1
_INDEX, _DEVICES, _DESCRIPTION = "index.json", "devices.bin", "vmdesc.json"
_CHUNK = 1 << 16


@dataclass(frozen=True)
class SavedBlock:
    """One block of RAM.

    Attributes
    ----------
    name : str
        Its ``idstr``.
    used_length : int
        Bytes.
    page_bytes : int or None
        Of its host page, where the stream told it.
    """

    name: str
    used_length: int
    page_bytes: int | None = None


@dataclass(frozen=True)
class SavedState:
    """What a folder holds beside the bytes of RAM.

    Attributes
    ----------
    configuration : Configuration
        The stream's head.
    page_size : int
        Bytes of a target page.
    blocks : tuple of SavedBlock
        In the stream's order.
    sections : tuple of DeviceSection
        In the stream's order.
    ram_section : int
        Section id of RAM.
    description : bytes
        The description of devices, empty where there was none.
    switchover_start : bool
        Whether the source announced the switchover.
    outcome : str
        Of the migration; ``completed`` where all is there.
    """

    configuration: Configuration
    page_size: int
    blocks: tuple[SavedBlock, ...]
    sections: tuple[DeviceSection, ...]
    ram_section: int
    description: bytes = b""
    switchover_start: bool = False
    outcome: str = "completed"


def check_place(folder: Path) -> None:
    """Refuse to replace what is no saved guest.

    Parameters
    ----------
    folder : Path
        New, empty, or of a guest that was saved.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not folder.exists() or (folder / _INDEX).is_file():
        return
    if not folder.is_dir():
        raise InputError.of(f"save to {folder}", "is a file", "name a folder")
    if any(folder.iterdir()):
        raise InputError.of(f"save to {folder}", "holds something else", "name an empty folder")


def write_saved(folder: Path, state: SavedState, rams: Sequence[memoryview]) -> None:
    """Write a folder, which appears whole or not at all.

    Parameters
    ----------
    folder : Path
        One that is there is replaced; while its room is written, both need theirs.
    state : SavedState
        What it holds.
    rams : sequence of memoryview
        The bytes of each block.

    Raises
    ------
    InputError
        If there is something that is no saved guest.
    StorageError
        If it cannot be written.
    """
    check_place(folder)
    try:
        with whole_folder(folder) as new:
            for number, ram in enumerate(rams):
                _write_sparse(new / f"ram-{number}.bin", ram)
            (new / _DEVICES).write_bytes(b"".join(s.body for s in state.sections))
            (new / _DESCRIPTION).write_bytes(state.description)
            text = json.dumps(_index(state), indent=1)
            (new / _INDEX).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError.of(
            f"save to {folder}", error.strerror or str(error), "give a folder with room for it"
        ) from None


def _index(state: SavedState) -> dict[str, Any]:
    sections, at = [], 0
    for section in state.sections:
        entry = {name: value for name, value in asdict(section).items() if name != "body"}
        sections.append(entry | {"offset": at, "length": len(section.body)})
        at += len(section.body)
    blocks = [asdict(b) | {"file": f"ram-{n}.bin"} for n, b in enumerate(state.blocks)]
    return {
        "format": _FORMAT,
        "outcome": state.outcome,
        "page_size": state.page_size,
        "ram_section": state.ram_section,
        "switchover_start": state.switchover_start,
        "configuration": asdict(state.configuration),
        "blocks": blocks,
        "sections": sections,
    }


def _write_sparse(path: Path, ram: memoryview) -> None:
    """Write a block; where it is zero the file has holes."""
    whole = np.frombuffer(ram, np.uint8)
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(whole), _CHUNK):
            part = whole[at : at + _CHUNK]
            if part.any():
                os.pwrite(file.fileno(), part.data, at)
        file.truncate(len(whole))


def read_saved(folder: Path | str) -> tuple[SavedState, list[np.memmap]]:
    """Read a folder.

    Parameters
    ----------
    folder : path
        As `write_saved` made it.

    Returns
    -------
    state : SavedState
        What it holds.
    rams : list of memmap of uint8
        The bytes of each block, mapped; changes stay in memory.

    Raises
    ------
    StorageError
        If it is none, or not whole.
    """
    folder = Path(folder)
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if index["format"] != _FORMAT:
            raise ValueError(f"format {index['format']!r}, known is {_FORMAT}")
        devices = (folder / _DEVICES).read_bytes()
        sections = tuple(_section(entry, devices) for entry in index["sections"])
        told = index["configuration"] | {
            "capabilities": tuple(index["configuration"]["capabilities"])
        }
        blocks = tuple(
            SavedBlock(b["name"], b["used_length"], b["page_bytes"]) for b in index["blocks"]
        )
        rams = [_mapped(folder / entry["file"], entry) for entry in index["blocks"]]
        state = SavedState(
            Configuration(**told),
            index["page_size"],
            blocks,
            sections,
            index["ram_section"],
            (folder / _DESCRIPTION).read_bytes(),
            index["switchover_start"],
            index["outcome"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError.of(
            f"saved guest {folder}", f"{error}", "give a folder of migkit receive --save"
        ) from None
    return state, rams


def _section(entry: dict[str, Any], devices: bytes) -> DeviceSection:
    start, length = entry.pop("offset"), entry.pop("length")
    body = devices[start : start + length]
    if len(body) != length:
        raise ValueError(f"{_DEVICES} ends inside section {entry['name']}")
    return DeviceSection(**entry, body=body)


def _mapped(path: Path, entry: dict[str, Any]) -> np.memmap:
    found = np.memmap(path, np.uint8, "c", shape=(path.stat().st_size,))
    if len(found) != entry["used_length"]:
        raise ValueError(f"{path.name} has {len(found)} B, not {entry['used_length']} B")
    return found
