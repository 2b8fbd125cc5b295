"""Giving the commands of a timeline to real QEMUs, each at its moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from migkit.channels import parse_address
from migkit.errors import LabError
from migkit.host import HostProfile
from migkit.lab.between import tap_changes
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
_SAVE_COMPLETE_LEFT = ("migration_completion_postcopy_end_after_complete", "migrate_error")
_RESUME: tuple[Item, ...] = (
    TimelineItem("migrate-recover", at_s=0, side="dest"),
    TimelineItem("migrate", at_s=0, arguments={"resume": True}),
)


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
    started : float
        When ``migrate`` was issued, by the monotonic clock, seconds.
    after_cut : callable
        Awaited once, before the first command that follows a cut: both sides have noticed it.
    recover_s : float, optional
        How long after that to recover.

    Attributes
    ----------
    given : list of dict
        What happened, in order.
    """

    def __init__(
        self,
        items: tuple[Item, ...],
        source: Machine,
        dest: Machine,
        tap: Tap | None,
        started: float,
        after_cut: Callable[[], Awaitable[None]],
        recover_s: float | None = None,
    ) -> None:
        self._pending = list(items)
        self._started = started
        self._recover_s = recover_s
        self._giving = 0
        self._machines = {"source": source, "dest": dest}
        self._tap = tap
        self._after_cut = after_cut
        self._log = LogFollower(source.log)
        self._seen: dict[str, float] = {}
        self._cut_noted = False
        self.given: list[dict[str, Any]] = []
        self.inside_save_complete = False

    @property
    def waits_for_time(self) -> bool:
        """Whether commands are left whose time will come, or one is being given."""
        if self._giving or (self.was_cut and self._recover_s is not None):
            return True
        return any(item.at_s is not None or _moment(item) in self._seen for item in self._pending)

    @property
    def was_cut(self) -> bool:
        """Whether the link was cut."""
        return self._tap is not None and self._tap.was_cut

    def _now(self) -> float:
        return time.monotonic() - self._started

    def note_end_of_destination(self) -> None:
        """Note that the destination has ended by itself: what a simulation is told."""
        if not any(row["command"] in KILL_COMMANDS for row in self.given):
            row = {"command": "destination-error", "issued_s": round(self._now(), 4)}
            self.given.append(row)

    def follow(self) -> None:
        """Read what the source logged since the last call."""
        for name, arguments in self._log.events():
            if name in SAVE_COMPLETE_ENTERED:
                self._note("event:ram_save_complete")
                self.inside_save_complete = True
            # What is logged behind a cut is what came of it.
            if name in _SAVE_COMPLETE_LEFT and not self.was_cut:
                self.inside_save_complete = False
            if name == "migrate_set_state":
                self._note(f"state:{arguments.rpartition(' ')[2]}")
            self._note(f"event:{name}")

    def _note(self, moment: str) -> None:
        self._seen.setdefault(moment, self._now())

    def _due(self, item: Item) -> bool:
        if item.at_s is not None:
            return self._now() >= item.at_s
        moment = _moment(item)
        return moment in self._seen and self._now() >= self._seen[moment] + item.after_s

    async def run(self) -> None:
        """Give every command at its moment, and recover; goes on until it is cancelled."""
        recovery = asyncio.create_task(self._recover())
        try:
            while True:
                self.follow()
                self._note_cut()
                for item in [item for item in self._pending if self._due(item)]:
                    self._giving += 1
                    self._pending.remove(item)
                    await self._give(item)
                    self._giving -= 1
                if recovery.done():
                    recovery.result()
                await asyncio.sleep(_TICK_S if self._pending else _TICK_S * 5)
        finally:
            recovery.cancel()
            await asyncio.gather(recovery, return_exceptions=True)

    async def _recover(self) -> None:
        """Recover once both sides have noticed a cut, and some time after that."""
        if self._recover_s is None:
            return
        while not self.was_cut:
            await asyncio.sleep(_TICK_S)
        await self._after_cut()
        await asyncio.sleep(self._recover_s)
        for item in _RESUME:
            await self._give(item)
        self._recover_s = None

    def _note_cut(self) -> None:
        """Note a cut when it came, be it by a command or by what passed the tap."""
        if self._tap is None or self._tap.cut_s is None or self._cut_noted:
            return
        self._cut_noted = True
        self.follow()  # what was entered before the cut is logged before it
        at_s = self._tap.cut_s - self._started
        row: dict[str, Any] = {"command": _NAMES["cut"], "issued_s": round(at_s, 4)}
        started = self._seen.get("event:postcopy_start")
        if started is not None:
            row["seconds_since_postcopy_start"] = round(at_s - started, 3)
        row["inside_ram_save_complete"] = self.inside_save_complete
        self.given.append(row)

    async def _give(self, item: Item) -> None:
        if item.command == "cut":
            if self._tap is not None:
                self._tap.cut_now()
            self._note_cut()
            return
        if self.was_cut:
            await self._after_cut()
        row: dict[str, Any] = {"command": item.command}
        if item.side == "dest":
            row["side"] = "dest"
        if item.arguments:
            row["arguments"] = dict(item.arguments)
        row["issued_s"] = round(self._now(), 4)
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
        elif item.command == "link-change" and self._tap is not None:
            self._tap.change_link(tap_changes(item.arguments, HostProfile.load().link))
        elif item.command == "migrate-recover":
            await dest.tell("migrate-recover", uri="tcp:127.0.0.1:0")
        elif item.command == "migrate":
            uri = f"tcp:127.0.0.1:{await incoming_port(dest)}"
            if self._tap is not None:
                self._tap.target = parse_address(uri)
                uri = str(self._tap.address)
            await source.tell("migrate", uri=uri, resume=True)
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
