"""What ``migrate-set-parameters`` still changes while a migration runs (migration/options.c).

Every other parameter is accepted and read no more: channels, compression, TLS and the mapping of
bitmaps are settled when the migration is set up; self-announcements are the destination's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migkit.parameters import PARAMETERS

__all__ = ["CHANGEABLE", "changed_value", "parameter_changes"]

CHANGEABLE: tuple[str, ...] = (
    "downtime-limit",
    "max-bandwidth",
    "max-postcopy-bandwidth",
    "avail-switchover-bandwidth",
    "throttle-trigger-threshold",
    "cpu-throttle-initial",
    "cpu-throttle-increment",
    "cpu-throttle-tailslow",
    "max-cpu-throttle",
    "zero-page-detection",
    "vcpu-dirty-limit",
    "x-vcpu-dirty-limit-period",
    "xbzrle-cache-size",
)
"""Parameters that are read again during a migration."""

_INT64_MAX = 2**63 - 1
_LARGEST = {"vcpu-dirty-limit": 2**31 - 1}


def changed_value(name: str, value: Any) -> int:
    """Write a parameter's value as engine and oracle take it.

    Parameters
    ----------
    name : str
        QEMU's name, one of `CHANGEABLE`.
    value : Any
        Checked.

    Returns
    -------
    int
        The number, at most what the engine counts up to; the position of a word in QEMU's enum;
        0 or 1.

    Examples
    --------
    >>> changed_value("zero-page-detection", "legacy"), changed_value("max-bandwidth", 2**64 - 1)
    (1, 9223372036854775807)
    """
    choices = PARAMETERS[name].choices
    return choices.index(value) if choices else min(int(value), _LARGEST.get(name, _INT64_MAX))


def parameter_changes(arguments: Mapping[str, Any]) -> dict[str, int]:
    """Return what a command changes.

    Parameters
    ----------
    arguments : mapping
        Of ``migrate-set-parameters``, checked: QEMU's names and values.

    Returns
    -------
    dict
        Those of `CHANGEABLE`, as engine and oracle take them.
    """
    return {name: changed_value(name, arguments[name]) for name in CHANGEABLE if name in arguments}
