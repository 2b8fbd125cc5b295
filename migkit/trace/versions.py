"""One event, different values: what QEMU versions print for the same thing, made the same.

QEMU 11.1 prints two other numbers in migrate_transferred: ``bandwidth`` is in Mbit/s, and
``switchover_bw`` is the bandwidth the threshold was computed from in bytes/ms, measured or
given. Up to 10.2 ``bandwidth`` is the measured one in bytes/ms, and ``switchover_bw`` is 0
when the user gave none. The unified arguments are those of 10.2; Mbit/s is kept beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

from .patterns import Arguments, Value

_WINDOW = "migrate_transferred"
_MBIT = "bandwidth_mbit_per_s"


def as_unified(event: str, printed: Arguments) -> Arguments:
    """Turn the arguments as printed into those that every version shares.

    Parameters
    ----------
    event : str
        The event's name.
    printed : dict
        The arguments as the line has them.

    Returns
    -------
    dict
        The unified arguments.

    Examples
    --------
    >>> new = {"transferred": 6829074, "time_spent": 100, "bandwidth": 546,
    ...        "switchover_bw": 68290, "max_size": 20487222}
    >>> as_unified("migrate_transferred", new)["bandwidth"]
    68290
    """
    if event != _WINDOW or not {"transferred", "time_spent", "bandwidth"} <= printed.keys():
        return printed
    measured = _measured(printed)
    if measured is None or printed["bandwidth"] == measured:
        return printed
    used = printed["switchover_bw"]
    return {
        **printed,
        "bandwidth": measured,
        "switchover_bw": 0 if used == measured else used,
        _MBIT: printed["bandwidth"],
    }


def as_printed(event: str, unified: Mapping[str, Value]) -> Mapping[str, Value]:
    """Turn unified arguments into those of the line they came from: undoes `as_unified`.

    Parameters
    ----------
    event : str
        The event's name.
    unified : mapping
        The unified arguments.

    Returns
    -------
    mapping
        The arguments to print.
    """
    if event != _WINDOW or _MBIT not in unified:
        return unified
    printed = dict(unified)
    mbit = printed.pop(_MBIT)
    printed["switchover_bw"] = printed["switchover_bw"] or printed["bandwidth"]
    printed["bandwidth"] = mbit
    return printed


def _measured(printed: Arguments) -> int | None:
    """Bytes a millisecond of the window, as 10.2 truncates it; None for an empty window."""
    transferred, time_spent = printed["transferred"], printed["time_spent"]
    if not isinstance(transferred, int) or not isinstance(time_spent, int) or time_spent <= 0:
        return None
    return transferred // time_spent
