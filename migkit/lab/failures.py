"""Failures on purpose, and what is tried after them, as commands of a timeline."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migkit.errors import InputError
from migkit.scenario.timeline import TimelineItem
from migkit.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KillSource", "cut_at", "kill_at", "parse_moment", "recovery_after"]

_MOMENT = re.compile(r"(?P<event>[a-z][a-z_-]*)(?:\+(?P<after>.+))?$")


@dataclass(frozen=True)
class KillSource:
    """The source's QEMU ends at once: what no timeline of a simulation has.

    Parameters
    ----------
    at_s, at_event, after_s
        When, as for `TimelineItem`.
    """

    at_s: float | None = None
    at_event: str | None = None
    after_s: float = 0.0
    at_state: str | None = None
    command: str = "kill-source"
    side: str = "source"
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)


def parse_moment(text: str) -> dict[str, Any]:
    """Read when something happens.

    Parameters
    ----------
    text : str
        ``"3s"`` after ``migrate``; or a trace event of the source, and how long after it:
        ``"ram_save_complete+200ms"``.

    Returns
    -------
    dict
        Fields of `TimelineItem`.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> parse_moment("postcopy_start+1.5s")
    {'at_event': 'postcopy_start', 'after_s': 1.5}
    """
    match = _MOMENT.match(text)
    if match is None:
        return {"at_s": parse_duration(text, "moment") / 1e9}
    after_s = parse_duration(match["after"], "moment") / 1e9 if match["after"] else 0.0
    return {"at_event": match["event"], "after_s": after_s}


def cut_at(text: str) -> TimelineItem:
    """Make the cut of a link at a moment.

    Parameters
    ----------
    text : str
        See `parse_moment`. Inside ``save_complete`` of the memory is some time after
        ``ram_save_complete``, also where a QEMU up to 10.0 names that otherwise.

    Returns
    -------
    TimelineItem
        The command.

    Raises
    ------
    InputError
        If the moment is none.
    """
    return TimelineItem("cut", **parse_moment(text))


def kill_at(text: str) -> TimelineItem | KillSource:
    """Make the sudden end of a side.

    Parameters
    ----------
    text : str
        ``"source@3s"`` or ``"dest@postcopy_start+200ms"``.

    Returns
    -------
    TimelineItem or KillSource
        The command.

    Raises
    ------
    InputError
        If side or moment are not valid.
    """
    side, at, moment = text.partition("@")
    if side not in ("source", "dest") or not at:
        raise InputError.of(f"kill {text!r}", "allowed SIDE@MOMENT", "write dest@3s")
    when = parse_moment(moment)
    return KillSource(**when) if side == "source" else TimelineItem("destination-error", **when)


def recovery_after(items: Iterable[TimelineItem], wait: str) -> tuple[TimelineItem, ...]:
    """Make the recovery of a postcopy migration some time after its link was cut.

    Parameters
    ----------
    items : iterable of TimelineItem
        Among them the cut.
    wait : str
        How long after it: ``"2s"``.

    Returns
    -------
    tuple of TimelineItem
        ``migrate-recover`` for the destination, then ``migrate`` with ``resume``.

    Raises
    ------
    InputError
        If nothing is cut, or the time is none.
    """
    cuts = [item for item in items if item.command == "cut"]
    if not cuts:
        raise InputError.of(f"recover after {wait}", "nothing is cut", "say when, with --cut")
    wait_s = parse_duration(wait, "recover") / 1e9
    when: dict[str, Any]
    if cuts[0].at_s is not None:
        when = {"at_s": cuts[0].at_s + wait_s}
    else:
        when = {"at_event": cuts[0].at_event, "after_s": cuts[0].after_s + wait_s}
    return (
        TimelineItem("migrate-recover", side="dest", **when),
        TimelineItem("migrate", arguments={"resume": True}, **when),
    )
