"""The state of devices as a tree, decoded by the description at the end of a stream.

Source: migration/vmstate.c (vmstate_save_vmsd_v), vmstate-types.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cursor import Buffer
from .device_lengths import Description, field_bytes, listed, state_bytes

__all__ = ["DeviceState", "StateField", "device_state", "leaves"]

_DEEPEST = 64
_SUBSECTION_HEAD = 6
_MOST_SHOWN = 32
_NUMBERS = {
    "bool": False,
    "uint8": False,
    "uint16": False,
    "uint32": False,
    "uint64": False,
    "int8": True,
    "int16": True,
    "int32": True,
    "int64": True,
    "timer": True,
}


@dataclass(frozen=True)
class StateField:
    """One field of a device's state.

    Attributes
    ----------
    name, type : str
        As the device declares them; a subsection has the type ``subsection``.
    offset, length : int
        Where it lies in the stream, and its bytes with all elements.
    elements : int
        More than one for an array, of which `fields` describes the first element.
    value : str
        A number, or bytes in hexadecimal digits; empty for structs.
    fields : tuple of StateField
        Of a struct or a subsection.
    """

    name: str
    type: str
    offset: int
    length: int
    elements: int = 1
    value: str = ""
    fields: tuple[StateField, ...] = ()


@dataclass(frozen=True)
class DeviceState:
    """The state of one device.

    Attributes
    ----------
    name : str
        As its section is named.
    instance_id, version_id : int
        Of the section.
    offset, length : int
        Its body in the stream.
    fields : tuple of StateField
        None where the stream describes no devices, as after postcopy.
    """

    name: str
    instance_id: int
    version_id: int
    offset: int
    length: int
    fields: tuple[StateField, ...] = ()


def device_state(
    data: Buffer, described: Description | None, name: str, ids: tuple[int, int], body: range
) -> DeviceState:
    """Decode a device's section.

    Parameters
    ----------
    data : bytes, bytearray or mmap
        The stream's file.
    described : Description or None
        What its last record says.
    name : str
        Of the section.
    ids : (int, int)
        Instance and version of it.
    body : range
        Offsets of its body.

    Returns
    -------
    DeviceState
        Without fields where the description is missing or does not fit.
    """
    fields: tuple[StateField, ...] = ()
    if described is not None and described.body_bytes(name, ids[0]) == len(body):
        fields = _fields(data, described.devices[name, ids[0]], body.start, 0)
    return DeviceState(name, *ids, body.start, len(body), fields)


def _fields(data: Buffer, state: dict[str, Any], at: int, depth: int) -> tuple[StateField, ...]:
    found: list[StateField] = []
    if depth > _DEEPEST:
        return ()
    for field in listed(state, "fields"):
        length = field_bytes(field) or 0
        found.append(_field(data, field, at, length, depth))
        at += length
    for subsection in listed(state, "subsections"):
        name = str(subsection.get("vmsd_name"))
        length = _SUBSECTION_HEAD + len(name) + (state_bytes(subsection) or 0)
        inner = _fields(data, subsection, at + _SUBSECTION_HEAD + len(name), depth + 1)
        found.append(StateField(name, "subsection", at, length, fields=inner))
        at += length
    return tuple(found)


def _field(data: Buffer, field: dict[str, Any], at: int, length: int, depth: int) -> StateField:
    name, kind = str(field.get("name")), str(field.get("type"))
    if "index" in field:
        name = f"{name}[{field['index']}]"
    elements = field.get("array_len", 1) if length else 1
    struct = field.get("struct")
    inner: tuple[StateField, ...] = ()
    value = ""
    if isinstance(struct, dict):
        inner = _fields(data, struct, at, depth + 1)
    else:
        value = _value(bytes(data[at : at + min(length, _MOST_SHOWN + 1)]), kind, elements)
    return StateField(name, kind, at, length, elements, value, inner)


def _value(raw: bytes, kind: str, elements: int) -> str:
    if kind in _NUMBERS and elements == 1 and len(raw) <= 8:
        return str(int.from_bytes(raw, "big", signed=_NUMBERS[kind]))
    return raw[:_MOST_SHOWN].hex() + ("…" if len(raw) > _MOST_SHOWN else "")


def leaves(fields: tuple[StateField, ...], path: str = "") -> list[tuple[str, StateField]]:
    """Return the fields that are no structs, each with its path.

    Parameters
    ----------
    fields : tuple of StateField
        Of a device.
    path : str
        What stands before them.

    Returns
    -------
    list of (str, StateField)
        In the stream's order.
    """
    found: list[tuple[str, StateField]] = []
    for field in fields:
        name = f"{path}.{field.name}" if path else field.name
        found += leaves(field.fields, name) if field.fields else [(name, field)]
    return found
