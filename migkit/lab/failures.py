"""Failures on purpose: what goes wrong in a lab run, when, and what is tried after it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migkit.errors import InputError, LabError, did_you_mean
from migkit.lab.refusals import LEAST_DISK_BYTES, REFUSALS
from migkit.scenario.timeline import TimelineItem
from migkit.tap import Cut, Outage, parse_cut, parse_outages
from migkit.units import parse_bytes, parse_duration

__all__ = ["Failures", "KillSource", "cut_at", "kill_at", "parse_moment", "written_failures"]

_MOMENT = re.compile(r"(?P<event>[a-z][a-z_-]*)(?:\+(?P<after>.+))?$")
_TO_THE_BYTE = ("save_complete", "postcopy:", "bytes:")


@dataclass(frozen=True)
class KillSource:
    """The source's QEMU ends at once: what no timeline of a simulation has.

    Parameters
    ----------
    at_s, at_event, after_s, at_state
        When, as for `TimelineItem`.
    """

    at_s: float | None = None
    at_event: str | None = None
    after_s: float = 0.0
    at_state: str | None = None
    command: str = "kill-source"
    side: str = "source"
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Failures:
    """What goes wrong in a lab run.

    Parameters
    ----------
    cut : TimelineItem or Cut, optional
        When the link is cut (`cut_at`).
    recover_s : float, optional
        How long after both sides have noticed the cut ``migrate-recover`` and ``migrate`` with
        ``resume`` are given.
    kill : TimelineItem or KillSource, optional
        The sudden end of a side (`kill_at`).
    destination : str, optional
        How the destination refuses: one of `migkit.lab.refusals.REFUSALS`.
    disk_bytes : int, optional
        What fits on the disk of a migration to a file, bytes, as a limit of the source's process:
        its write fails with "File too large" where a full disk has "No space left".
    outages : tuple of Outage
        When the link carries nothing; times after the first byte.
    """

    cut: TimelineItem | Cut | None = None
    recover_s: float | None = None
    kill: TimelineItem | KillSource | None = None
    destination: str | None = None
    disk_bytes: int | None = None
    outages: tuple[Outage, ...] = ()

    @property
    def exact_cut(self) -> Cut | None:
        """The cut that the tap makes, to the byte."""
        return self.cut if isinstance(self.cut, Cut) else None

    @property
    def items(self) -> tuple[TimelineItem | KillSource, ...]:
        """What is given at a moment."""
        asked = (None if isinstance(self.cut, Cut) else self.cut, self.kill)
        return tuple(item for item in asked if item is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return what a capture's file says of them beside its timeline."""
        told: dict[str, Any] = {}
        if self.exact_cut is not None:
            told["cut"] = str(self.exact_cut)
        if self.destination is not None:
            told["destination"] = self.destination
        if self.disk_bytes is not None:
            told["disk"] = self.disk_bytes
        if self.outages:
            told["outages"] = ",".join(map(str, self.outages))
        return told


def parse_moment(text: str) -> dict[str, Any]:
    """Read when something happens.

    Parameters
    ----------
    text : str
        ``"3s"`` after ``migrate``; a state of the source: ``"state:postcopy-active"``; or a trace
        event of the source, and how long after it: ``"ram_save_complete+200ms"``.

    Returns
    -------
    dict
        Fields of `TimelineItem`.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> parse_moment("postcopy_start+1.5s")
    {'at_event': 'postcopy_start', 'after_s': 1.5}
    """
    if text.startswith("state:"):
        return {"at_state": text.removeprefix("state:")}
    match = _MOMENT.match(text)
    if match is None:
        return {"at_s": parse_duration(text, "moment") / 1e9}
    after_s = parse_duration(match["after"], "moment") / 1e9 if match["after"] else 0.0
    return {"at_event": match["event"], "after_s": after_s}


def cut_at(text: str) -> TimelineItem | Cut:
    """Make the cut of a link.

    Parameters
    ----------
    text : str
        To the byte, by what passes the link: ``save_complete``, ``postcopy:100`` or
        ``bytes:1MiB`` (`migkit.tap.parse_cut`); or a moment, see `parse_moment`. Inside
        ``save_complete`` of the memory is some time after ``ram_save_complete``, also where a
        QEMU up to 10.0 names that otherwise.

    Returns
    -------
    TimelineItem or Cut
        The cut.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text == _TO_THE_BYTE[0] or text.startswith(_TO_THE_BYTE[1:]):
        return parse_cut(text)
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
    item = TimelineItem("destination-error", **when)  # checks the moment for both
    return KillSource(**when) if side == "source" else item


def written_failures(values: Mapping[str, Any], base: Failures | None = None) -> Failures:
    """Read failures as people write them, in the table ``failures`` of a scenario's file.

    Parameters
    ----------
    values : mapping
        ``cut`` (see `cut_at`), ``recover`` (``"1s"``), ``kill`` (see `kill_at`), ``destination``
        (one of `migkit.lab.refusals.REFUSALS`), ``disk`` (``"8MiB"``) and ``outages``
        (``"2s+500ms"``).
    base : Failures, optional
        What is left out stays as here.

    Returns
    -------
    Failures
        The failures.

    Raises
    ------
    InputError
        If a name is not known, a value not valid, or there is nothing to recover from.
    """
    if not isinstance(values, Mapping):
        raise InputError.of(f"failures {values!r}", "not a table", "give its fields by name")
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _WRITTEN:
            raise InputError.of(
                f"failures: {name}", "not known", did_you_mean(str(name), _WRITTEN)
            )
        field_name, read = _WRITTEN[name]
        made[field_name] = read(value if name == "disk" else str(value))
    return dataclasses.replace(base or Failures(), **made)


def check_failures(failures: Failures, *, cut_in_timeline: bool, to_file: bool) -> None:
    """Refuse what does not go together.

    Parameters
    ----------
    failures : Failures
        What is to go wrong.
    cut_in_timeline : bool
        Whether the scenario's timeline cuts the link.
    to_file : bool
        Whether the migration goes to a file.

    Raises
    ------
    InputError, LabError
        If there is nothing to recover from, or what goes wrong has no part in the run.
    """
    if failures.recover_s is not None and failures.cut is None and not cut_in_timeline:
        raise InputError.of("recover", "nothing is cut", "say when, with cut")
    if failures.disk_bytes is not None and not to_file:
        raise LabError.of(
            f"disk of {failures.disk_bytes} B", "the transport is no file", "use transport file"
        )
    named = ("cut", "destination", "outages")
    beside = [name for name in named if getattr(failures, name)]
    if to_file and (beside or cut_in_timeline):
        raise LabError.of(
            f"transport file with {', '.join(beside) or 'cut'}",
            "a file has no link and no destination that answers",
            "use transport tcp",
        )


def _disk(value: Any) -> int:
    size = parse_bytes(value, "disk")
    if size < LEAST_DISK_BYTES:
        raise InputError.of(
            f"disk {value}", f"allowed {LEAST_DISK_BYTES} B or more", "QEMU's log needs room too"
        )
    return size


def _refusal(text: str) -> str:
    if text not in REFUSALS:
        raise InputError.of(
            f"destination {text!r}", "not a way to refuse", did_you_mean(text, REFUSALS)
        )
    return text


_WRITTEN: dict[str, tuple[str, Any]] = {
    "cut": ("cut", cut_at),
    "recover": ("recover_s", lambda text: parse_duration(text, "recover") / 1e9),
    "kill": ("kill", kill_at),
    "destination": ("destination", _refusal),
    "disk": ("disk_bytes", _disk),
    "outages": ("outages", parse_outages),
}
