"""Giving the commands of a timeline to real QEMUs, each at its moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from migkit.errors import LabError
from migkit.lab.failures import KillSource
from migkit.lab.trace_events import SAVE_COMPLETE_ENTERED, LogFollower
from migkit.scenario.timeline import TimelineItem

if TYPE_CHECKING:
    from migkit.lab.machine import Machine
    from migkit.tap import Tap

__all__ = ["KILL_COMMANDS", "Item", "Timeline", "needs_tap"]

KILL_COMMANDS = {"destination-error": "dest", "kill-source": "source"}
"""Commands that end a QEMU at once, and which."""

Item: TypeAlias = TimelineItem | KillSource
"""What stands in the timeline of a lab run."""

_NAMES = {"cut": "relay-cut"}
_BY_TAP = ("cut", "link-change")
_TICK_S = 0.002


def needs_tap(items: tuple[Item, ...]) -> bool:
    """Tell whether something happens to the link."""
    return any(item.command in _BY_TAP for item in items)


class Timeline:
    """Commands, their moments, and what became of each.

    Parameters
    ----------
    items : sequence of TimelineItem
        In order; those of the same moment are given in that order.
    source, dest : Machine
        The pair.
    tap : Tap, optional
        What the stream passes through.
    issued : callable
        Seconds since ``migrate`` was issued.
    after_cut : callable
        Called once, before the first command that follows a cut.
    """

    def __init__(
        self,
        items: tuple[Item, ...],
        source: Machine,
        dest: Machine,
        tap: Tap | None,
        issued: Callable[[], float],
        after_cut: Callable[[], Awaitable[None]],
    ) -> None:
        self._pending = list(items)
        self._machines = {"source": source, "dest": dest}
        self._tap = tap
        self._now = issued
        self._after_cut = after_cut
        self._log = LogFollower(source.log)
        self._seen: dict[str, float] = {}
        self.given: list[dict[str, Any]] = []
        self.inside_save_complete = False
        self.status = ""

    @property
    def waits_for_time(self) -> bool:
        """Whether commands are left whose time will come."""
        return any(item.at_s is not None or _moment(item) in self._seen for item in self._pending)

    @property
    def was_cut(self) -> bool:
        """Whether the link was cut."""
        return any(row["command"] == _NAMES["cut"] for row in self.given)

    def follow(self) -> None:
        """Read what the source logged since the last call."""
        for name, arguments in self._log.events():
            if name in SAVE_COMPLETE_ENTERED:
                self._note("event:ram_save_complete")
                self.inside_save_complete = True
            if name in ("migration_completion_postcopy_end_after_complete", "migrate_error"):
                self.inside_save_complete = False
            if name == "migrate_set_state":
                self.status = arguments.rpartition(" ")[2]
                self._note(f"state:{self.status}")
            self._note(f"event:{name}")

    def _note(self, moment: str) -> None:
        self._seen.setdefault(moment, self._now())

    def _due(self, item: Item) -> bool:
        if item.at_s is not None:
            return self._now() >= item.at_s
        moment = _moment(item)
        return moment in self._seen and self._now() >= self._seen[moment] + item.after_s

    async def run(self) -> None:
        """Give every command at its moment; ends when none is left."""
        while self._pending:
            self.follow()
            for item in list(self._pending):
                if self._due(item):
                    self._pending.remove(item)
                    await self._give(item)
            await asyncio.sleep(_TICK_S)
        while True:
            self.follow()
            await asyncio.sleep(_TICK_S * 5)

    async def _give(self, item: Item) -> None:
        if self.was_cut:
            await self._after_cut()
        row: dict[str, Any] = {"command": _NAMES.get(item.command, item.command)}
        if item.side == "dest":
            row["side"] = "dest"
        if item.arguments:
            row["arguments"] = dict(item.arguments)
        row["issued_s"] = round(self._now(), 4)
        if item.command == "cut":
            started = self._seen.get("event:postcopy_start")
            if started is not None:
                row["seconds_since_postcopy_start"] = round(self._now() - started, 3)
            row["inside_ram_save_complete"] = self.inside_save_complete
        self.given.append(row)
        try:
            await self._do(item)
        except LabError as error:
            row["error"] = str(error)

    async def _do(self, item: Item) -> None:
        source, dest = self._machines["source"], self._machines["dest"]
        if item.command == "connect-failure":
            return
        if item.command in KILL_COMMANDS:
            self._machines[KILL_COMMANDS[item.command]].child.kill()
        elif item.command == "cut" and self._tap is not None:
            self._tap.cut_now()
        elif item.command == "link-change" and self._tap is not None:
            self._tap.change_rate(item.arguments["bandwidth"])
        elif item.command == "migrate-recover":
            await dest.tell("migrate-recover", uri="tcp:127.0.0.1:0")
        elif item.command == "migrate":
            port = await incoming_port(dest)
            await source.tell("migrate", uri=f"tcp:127.0.0.1:{port}", resume=True)
        else:
            await self._machines[item.side].tell(item.command, **item.arguments)


def _moment(item: Item) -> str:
    """Name what has to be seen before a command is given that waits for no time."""
    return f"event:{item.at_event}" if item.at_event else f"state:{item.at_state}"


async def incoming_port(dest: Machine) -> int:
    """Return the port that a destination listens on.

    Parameters
    ----------
    dest : Machine
        The destination.

    Returns
    -------
    int
        Its TCP port.

    Raises
    ------
    LabError
        If it listens on none.
    """
    reply = await dest.tell("query-migrate")
    for address in reversed(reply.get("socket-address", [])):
        if address.get("type") == "inet":
            return int(address["port"])
    raise LabError.of("the destination's port", "it listens on none", "see its log")
