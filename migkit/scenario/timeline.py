"""What a user or a mishap does while a migration runs: QMP commands, link changes, cuts.

Which command is accepted when is QEMU's affair (migration/migration.c, qmp_migrate_* functions);
a command that comes too early or too late has no effect, as there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migkit.errors import ScenarioError, did_you_mean
from migkit.network.link import Link
from migkit.network.link_text import link_values
from migkit.parameters import PARAMETERS, check_names
from migkit.schema import COMMANDS, EVENT_CODES, STATES

__all__ = ["COMMANDS", "TimelineItem"]

_LONGEST_S = 10.0**9
_CONTINUE_STATES = ("pre-switchover", "device")
_CHANGEABLE = (
    "bandwidth_bytes_per_s",
    "latency_ns",
    "return_latency_ns",
    "jitter_ns",
    "loss_percent",
    "competing_bytes_per_s",
    "competing_flows",
)


@dataclass(frozen=True)
class TimelineItem:
    """One command, and when it is given: at a time, in a state, or after a trace event.

    Parameters
    ----------
    command : str
        One of `migkit.schema.COMMANDS`. ``link-change`` and ``cut`` happen to the link,
        ``destination-error`` to the destination, which fails to load and is gone;
        ``connect-failure`` while setup connects. The rest are QEMU's.
    at_s : float, optional
        Seconds after ``migrate`` was taken, 0 or more.
    at_state : str, optional
        Migration state of the source in which it is given, as soon as that is entered.
    at_event : str, optional
        Trace event of the source after which it is given.
    after_s : float
        Seconds to wait after that event.
    arguments : mapping
        ``migrate-set-parameters``: QEMU's names and values. ``migrate-continue``: ``state``.
        ``migrate``: ``resume``. ``link-change``: ``bandwidth`` (``"1Gbit/s"``), ``latency``,
        ``return-latency``, ``jitter`` (``"2ms"``), ``loss`` (``"0.1%"``), ``competing`` and
        ``flows`` of the link.
    side : {"source", "dest"}
        Who gets the command.

    Raises
    ------
    ScenarioError
        If command, moment or arguments are not valid.

    Examples
    --------
    >>> TimelineItem("migrate-start-postcopy", at_s=3).at_s
    3.0
    """

    command: str
    at_s: float | None = None
    at_state: str | None = None
    at_event: str | None = None
    after_s: float = 0.0
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    side: str = "source"

    def __post_init__(self) -> None:
        """Check command, moment, side and arguments."""
        if self.command not in COMMANDS:
            raise ScenarioError.of(
                f"timeline command {self.command!r}",
                "not a command of a timeline",
                did_you_mean(str(self.command), COMMANDS),
            )
        if self.side not in ("source", "dest"):
            raise self._refused(f"side {self.side!r}", "allowed source or dest", "choose one")
        self._check_moment()
        object.__setattr__(self, "arguments", self._checked_arguments())

    @property
    def code(self) -> int:
        """Position of the command in `COMMANDS`."""
        return COMMANDS.index(self.command)

    def _refused(self, asked: str, found: str, fix: str) -> ScenarioError:
        return ScenarioError.of(f"timeline {self.command}: {asked}", found, fix)

    def _check_moment(self) -> None:
        given = [
            name for name in ("at_s", "at_state", "at_event") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise self._refused(
                f"{' and '.join(given) or 'no moment'} given",
                "allowed exactly one of at_s, at_state, at_event",
                "say when",
            )
        for name in ("at_s", "after_s"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._seconds(name, getattr(self, name)))
        if self.after_s and self.at_event is None:
            raise self._refused(
                f"after_s {self.after_s}", "allowed only with at_event", "give at_event too"
            )
        for name, known in (("at_state", STATES), ("at_event", tuple(EVENT_CODES))):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise self._refused(
                    f"{name} {value!r}", "not known", did_you_mean(str(value), known)
                )

    def _seconds(self, name: str, value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not 0 <= value <= _LONGEST_S:
            raise self._refused(
                f"{name} {value!r}", f"allowed 0..{_LONGEST_S:.0f} s", "give seconds in that range"
            )
        return float(value)

    def _checked_arguments(self) -> dict[str, Any]:
        if not isinstance(self.arguments, Mapping):
            raise self._refused(
                f"arguments {self.arguments!r}", "not a table", "give names and values"
            )
        check = _ARGUMENTS.get(self.command, _no_arguments)
        return check(self, dict(self.arguments))


def _no_arguments(item: TimelineItem, arguments: dict[str, Any]) -> dict[str, Any]:
    for name in arguments:
        raise item._refused(f"argument {name}", "it takes none", "leave it out")
    return arguments


def _parameters(item: TimelineItem, arguments: dict[str, Any]) -> dict[str, Any]:
    if not arguments:
        raise item._refused("no arguments", "nothing to set", "give QEMU's names and values")
    check_names(arguments)
    return {name: PARAMETERS[name].check(value) for name, value in arguments.items()}


def _continue(item: TimelineItem, arguments: dict[str, Any]) -> dict[str, Any]:
    state = arguments.setdefault("state", "pre-switchover")
    if set(arguments) != {"state"} or state not in _CONTINUE_STATES:
        raise item._refused(
            f"arguments {arguments}",
            f"allowed state, one of {', '.join(_CONTINUE_STATES)}",
            "give that state",
        )
    return arguments


def _resume(item: TimelineItem, arguments: dict[str, Any]) -> dict[str, Any]:
    if arguments.setdefault("resume", True) is not True or set(arguments) != {"resume"}:
        raise item._refused(
            f"arguments {arguments}",
            "allowed resume: true; migrate itself is time 0",
            "give resume: true",
        )
    return arguments


def _link(item: TimelineItem, arguments: dict[str, Any]) -> dict[str, Any]:
    if not arguments:
        raise item._refused("no arguments", "nothing to change", "give bandwidth, such as 1Gbit/s")
    values = link_values(arguments, "timeline link-change")
    for name in values:
        if name not in _CHANGEABLE:
            raise item._refused(
                f"argument {name}", "it cannot change", did_you_mean(name, _CHANGEABLE)
            )
    dataclasses.replace(Link(bandwidth_bytes_per_s=1), **values)
    short = {"bandwidth_bytes_per_s": "bandwidth"}
    return {short.get(name, name): value for name, value in values.items()}


_ARGUMENTS: dict[str, Callable[[TimelineItem, dict[str, Any]], dict[str, Any]]] = {
    "migrate-set-parameters": _parameters,
    "migrate-continue": _continue,
    "migrate": _resume,
    "link-change": _link,
}
