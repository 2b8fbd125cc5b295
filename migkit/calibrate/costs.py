"""Every number of a host profile by name: what captures may show, and what is given.

A cost of a part has the part's name before it: ``postcopy.listen_ns``. Names are listed from the
profile's own fields, so a cost that is added there is in every report, fitted or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from migkit.host import HostProfile

__all__ = ["given", "number_names", "number_of", "with_numbers"]

_GIVEN: Final[dict[str, str]] = {
    "throttle_timer_ns": "QEMU's constant",
    "relay_percent": "of the relay, not of the host",
    "machine.": "of the machine type",
    "link.": "of the link",
    "postcopy.socket_bytes": "of the kernel's sockets",
    "postcopy.socket_wake_bytes": "of the kernel's sockets",
    "postcopy.delayed_ack_ns": "of the kernel's sockets",
    "landing.held_segment_ns": "of the kernel's sockets",
    "multifd.send_buffer_bytes": "of the kernel's sockets",
    "dirty_logging.ring_reserved_entries": "KVM's constant",
}
"""Numbers, or parts with all theirs, that are told, not measured, and whose they are."""

_NOT_COSTS: Final = {"noise"}
_NUMERIC: Final = ("int", "tuple[int, ...]")


def number_names(profile: HostProfile) -> tuple[str, ...]:
    """Name every number of a profile, in its order.

    Parameters
    ----------
    profile : HostProfile
        The profile.

    Returns
    -------
    tuple of str
        Those of a part as ``part.name``. Lists of numbers count as one; noise is left out.
    """
    names: list[str] = []
    for item in dataclasses.fields(profile):
        value = getattr(profile, item.name)
        if item.name in _NOT_COSTS:
            continue
        if dataclasses.is_dataclass(value):
            parts = [field for field in dataclasses.fields(value) if field.type in _NUMERIC]
            names += [f"{item.name}.{part.name}" for part in parts]
        elif item.type in _NUMERIC:
            names.append(item.name)
    return tuple(names)


def given(name: str) -> str:
    """Say whose a number is that is told and not measured.

    Parameters
    ----------
    name : str
        As `number_names` gives it.

    Returns
    -------
    str
        Empty for what a capture may show.
    """
    part, dot, _ = name.partition(".")
    return _GIVEN.get(name) or _GIVEN.get(part + dot if dot else "", "")


def number_of(profile: HostProfile, name: str) -> Any:
    """Return a number of a profile, or of one of its parts.

    Parameters
    ----------
    profile : HostProfile
        The profile.
    name : str
        As `number_names` gives it.

    Returns
    -------
    int or tuple of int
        Its value.
    """
    part, _, field = name.rpartition(".")
    return getattr(getattr(profile, part) if part else profile, field)


def with_numbers(profile: HostProfile, values: Mapping[str, int]) -> HostProfile:
    """Replace numbers of a profile and of its parts.

    Parameters
    ----------
    profile : HostProfile
        The profile.
    values : mapping of str to int
        New values by name.

    Returns
    -------
    HostProfile
        A new profile.

    Raises
    ------
    HostProfileError
        If a value is negative.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, int]] = {}
    for name, value in values.items():
        part, _, field = name.rpartition(".")
        if part:
            parts.setdefault(part, {})[field] = value
        else:
            own[name] = value
    for part, changed in parts.items():
        own[part] = dataclasses.replace(getattr(profile, part), **changed)
    return dataclasses.replace(profile, **own)
