"""How long device sections are, from the description of devices at the end of a stream.

Device sections carry no length. The description (``vmdesc``) does: the sizes of all fields and
subsections of a device add up to its section's body. Source: migration/vmstate.c, savevm.c.
"""

from __future__ import annotations

import json
from typing import Any

from . import wire
from .cursor import Buffer

__all__ = ["Description", "find_description"]

_HEAD_BYTES = 5
_SUBSECTION_BYTES = 6
_DEEPEST = 64


class Description:
    """What a stream's last record says of its devices.

    Parameters
    ----------
    document : dict
        The JSON as QEMU wrote it.
    offset : int
        Where its record begins.
    """

    def __init__(self, document: dict[str, Any], offset: int) -> None:
        self.offset = offset
        self.page_size = document.get("page_size")
        self.devices: dict[tuple[str, int], dict[str, Any]] = {}
        self._lengths: dict[tuple[str, int], int | None] = {}
        for device in listed(document, "devices"):
            instance = _number(device.get("instance_id", 0))
            if instance is not None:
                self.devices[str(device.get("name")), instance] = device

    def body_bytes(self, name: str, instance_id: int) -> int | None:
        """Return the length of a device section's body; None where it is not told."""
        key = (name, instance_id)
        if key not in self._lengths:
            device = self.devices.get(key, {})
            told = state_bytes(device) if "fields" in device else _number(device.get("size"))
            self._lengths[key] = told
        return self._lengths[key]


def state_bytes(state: dict[str, Any], depth: int = 0) -> int | None:
    """Add up a device's, a struct's or a subsection's fields and subsections; None if unclear."""
    parts = [field_bytes(field) for field in listed(state, "fields")]
    for subsection in listed(state, "subsections"):
        inner = state_bytes(subsection, depth + 1) if depth < _DEEPEST else None
        name = subsection.get("vmsd_name")
        parts.append(
            None
            if inner is None or not isinstance(name, str)
            else _SUBSECTION_BYTES + len(name) + inner
        )
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def field_bytes(field: dict[str, Any]) -> int | None:
    """Return the bytes of a field with all its elements; None if unclear."""
    size, elements = _number(field.get("size")), _number(field.get("array_len", 1))
    return None if size is None or elements is None else size * elements


def listed(state: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the members of a list that are objects; none where it is no list."""
    members = state.get(name)
    return [m for m in members if isinstance(m, dict)] if isinstance(members, list) else []


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 48 else None


def find_description(data: Buffer, start: int) -> Description | None:
    """Find the description of devices, the last record of a stream.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        The stream's file.
    start : int
        Where the stream begins in it.

    Returns
    -------
    Description or None
        None where the file does not end with one.
    """
    end = len(data)
    lowest = max(start, end - _HEAD_BYTES - wire.MOST_VMDESC_BYTES)
    # JSON has no byte 0x06, so the record's byte is the last one, or the length's bytes follow it.
    at = end
    for _ in range(_HEAD_BYTES):
        at = data.rfind(b"\x06", lowest, at)
        if at < 0:
            return None
        length = int.from_bytes(data[at + 1 : at + _HEAD_BYTES], "big")
        if at + _HEAD_BYTES + length == end and data[at + _HEAD_BYTES : at + 6] == b"{":
            return parse_description(bytes(data[at + _HEAD_BYTES : end]), at)
    return None


def parse_description(text: bytes, offset: int) -> Description | None:
    """Read the JSON; None where it is none."""
    try:
        document = json.loads(text, object_pairs_hook=_first_names)
    except (ValueError, RecursionError):
        return None
    return Description(document, offset) if isinstance(document, dict) else None


def _first_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keep a field's own name and type, where a nested writer has put a second one inside."""
    members = dict(pairs)
    members |= {name: value for name, value in reversed(pairs) if name in {"name", "type"}}
    return members
