"""One migration of a real pair, from two processes to the last reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.errors import LabError
from migkit.lab.machine import Machine
from migkit.lab.pair import Observed, Pair
from migkit.lab.replies import (
    ABSENT,
    FINAL,
    is_over,
    outcome_of,
    progress_line,
    read_blocks,
    settled,
)
from migkit.lab.states import listen_for_beats, states_of, status_of
from migkit.lab.timeline import Timeline, incoming_port
from migkit.lab.trace_events import write_events
from migkit.tap import Tap

if TYPE_CHECKING:
    from migkit.scenario import Scenario

__all__ = ["observe"]

_POLL_S = 0.05
_READY_WITHIN_S = 120
_NOBODY_LISTENS = 1
_NOTICED_WITHIN_S = 60
"""How long a side may take to notice that the other is gone, or has completed."""


async def observe(
    pair: Pair, scenario: Scenario, folder: Path, say: Callable[[str], None]
) -> Observed:
    """Run a migration and watch it.

    Parameters
    ----------
    pair : Pair
        The two QEMUs.
    scenario : Scenario
        Its capabilities, parameters and time of observation count.
    folder : Path
        Where logs, sockets and serial lines lie.
    say : callable
        Told what is going on.

    Returns
    -------
    Observed
        What was seen. Both QEMUs have ended then, also after an error.

    Raises
    ------
    LabError
        If a QEMU does not start, or refuses what it is given before ``migrate``.
    """
    session = _Session(pair, scenario, folder, say)
    try:
        await session.prepare()
        await session.migrate()
        seen = await session.finish()
    finally:
        await session.close()
    session.add_counts()
    return seen


class _Session:
    def __init__(
        self, pair: Pair, scenario: Scenario, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._pair, self._scenario, self._folder, self._say = pair, scenario, folder, say
        self._machines: list[Machine] = []
        self._tap: Tap | None = None
        self._started = 0.0
        self._watched: list[dict[str, Any]] = []
        self._seen = Observed()
        self._noting = asyncio.Lock()

    def _now(self) -> float:
        """Seconds since ``migrate`` was issued."""
        return time.monotonic() - self._started

    async def prepare(self) -> None:
        """Start both, wait for the guest, and give capabilities and parameters."""
        self._say("starting QEMU")
        pair, events = self._pair, self._folder / "events"
        for name, qemu, extra in (
            ("source", pair.source, ()),
            ("dest", pair.dest, ("-incoming", "defer")),
        ):
            file = events.with_name(f"events.{name}")
            write_events(qemu, file)
            words = [*pair.words, *pair.own_words.get(name, ()), *extra]
            before = pair.before.get(name, ())
            machine = Machine(name, qemu, words, self._folder, file, before=before)
            self._machines.append(machine)
        for machine in self._machines:
            await machine.connect()
            await self._give_settings(machine)
        self._say("waiting for the guest")
        await self._wait_until_ready(self._machines[0])
        blocks = await self._machines[0].tell(
            "human-monitor-command", command_line="info ramblock"
        )
        self._seen.ram_blocks = read_blocks(blocks)
        await asyncio.sleep(pair.lead_s)

    async def _give_settings(self, machine: Machine) -> None:
        on = [name for name, state in self._scenario.capabilities.to_qmp().items() if state]
        states = [{"capability": name, "state": True} for name in on]
        if states:
            await machine.tell("migrate-set-capabilities", capabilities=states)
        values = self._scenario.parameters.to_qmp(changed_only=True)
        if values:
            await machine.tell("migrate-set-parameters", **values)

    async def _wait_until_ready(self, source: Machine) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while self._pair.ready and self._pair.ready not in source.printed():
            said = source.printed()
            if "error " in said or source.child.ended or time.monotonic() > deadline:
                found = said[-200:] or source.child.said()
                raise LabError.of("start the guest", f"it said: {found}", "see the words")
            await asyncio.sleep(0.01)

    async def migrate(self) -> None:
        """Issue ``migrate``, then poll and give commands until it is over."""
        source, dest = self._machines
        uri = await self._target(dest)
        self._seen.result["migrate_issued_epoch_s"] = time.time()
        self._started = time.monotonic()
        pair = self._pair
        timeline = Timeline(
            (*pair.timeline, *pair.failures.items),
            source,
            dest,
            self._tap,
            self._started,
            self._note_after_cut,
            pair.failures.recover_s,
        )
        await source.tell("migrate", uri=uri)
        commands = asyncio.create_task(timeline.run())
        try:
            await self._poll_until_over(timeline, commands)
        finally:
            commands.cancel()
            await asyncio.gather(commands, return_exceptions=True)
        timeline.follow()
        if timeline.was_cut:
            await self._note_after_cut()
        await self._wait_for_destination(await source.ask("query-migrate") or {}, dest)
        if dest.child.ended and pair.failures.destination is not None:
            timeline.note_end_of_destination()
        self._seen.timeline = timeline.given

    async def _target(self, dest: Machine) -> str:
        """Let the destination listen, and return where the source has to migrate to."""
        if self._pair.file:
            if self._pair.failures.disk_bytes is not None:
                self._machines[0].limit_files(self._pair.failures.disk_bytes)
            return f"file:{self._pair.file}"
        await dest.tell("migrate-incoming", uri="tcp:127.0.0.1:0")
        port = await incoming_port(dest)
        if self._pair.unreached:
            port = _NOBODY_LISTENS
        elif self._pair.tap:
            port = self._open_tap(port)
        return f"tcp:127.0.0.1:{port}"

    async def _poll_until_over(self, timeline: Timeline, commands: asyncio.Task[None]) -> None:
        source, ends = self._machines[0], self._scenario.observe_for_s
        over_since: float | None = None
        while True:
            if commands.done():
                commands.result()
            # A later command can still change something, or be worth its refusal: one that was
            # being given while the reply was made, or waits now.
            more = timeline.waits_for_time
            started = self._now()
            reply = await source.ask("query-migrate")
            if reply is not None:
                self._seen.polls.append({"t": round(started, 4), "src": reply})
            status = reply.get("status", "none") if reply is not None else source.absence
            self._say(progress_line(status, started, reply or {}))
            if ends is not None and started >= ends:
                active = status not in (*FINAL, *ABSENT)
                self._seen.observed_for_s = round(started, 3) if active else None
                return
            if status in ("completed", "cancelled"):
                return
            if not is_over(status) or more or timeline.waits_for_time:
                over_since = None
            else:
                over_since = started if over_since is None else over_since
                # A pause, or a peer that is gone, may be noticed late on the other side.
                late = started - over_since >= _NOTICED_WITHIN_S
                if late or await self._both_settled(status):
                    return
            await asyncio.sleep(max(_POLL_S - (self._now() - started), 0))

    async def _both_settled(self, source: str) -> bool:
        dest = await status_of(self._machines[1])
        return settled(source, dest, unreached=self._pair.unreached)

    async def _note_after_cut(self) -> None:
        """Note the states of both sides once: when both have noticed a cut."""
        async with self._noting:
            if "after_cut" in self._seen.result:
                return
            deadline = time.monotonic() + _NOTICED_WITHIN_S
            while not await self._both_settled(await status_of(self._machines[0])):
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(_POLL_S)
            self._seen.result["after_cut"] = await states_of(self._machines)

    async def finish(self) -> Observed:
        """Listen which side runs the guest, and ask for the last replies."""
        self._say("last replies")
        source = self._machines[0]
        result, states = self._seen.result, await states_of(self._machines)
        if self._pair.ready:
            result["heartbeat"] = await listen_for_beats(self._machines, states)
        for side, machine in zip(("source", "destination"), self._machines, strict=True):
            reply = states[side]["migration"]
            result[f"query_migrate_{side}"] = (
                {"status": reply} if isinstance(reply, str) else {"status": "none", **reply}
            )
            result[f"run_state_{side}"] = states[side]["vm"]
            result[f"events_{side}"] = machine.events()
        result["all_parameters"] = await source.ask("query-migrate-parameters")
        listed: Any = await source.ask("query-migrate-capabilities")
        result["all_capabilities"] = {row["capability"]: row["state"] for row in (listed or ())}
        if "after_cut" in result:
            result["final"] = states
        result["outcome"] = outcome_of(result, states, self._seen.observed_for_s)
        return self._seen

    async def _wait_for_destination(self, reply: dict[str, Any], dest: Machine) -> None:
        """Wait until the destination has loaded what the source has sent."""
        if reply.get("status") != "completed":
            return
        if self._pair.file:
            await dest.tell("migrate-incoming", uri=f"file:{self._pair.file}")
        deadline = time.monotonic() + _NOTICED_WITHIN_S
        while time.monotonic() < deadline:
            answer = await dest.ask("query-migrate")
            if answer is None or answer.get("status") in FINAL:
                return
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """End everything; both logs are whole then."""
        for machine in self._machines:
            machine.child.kill()
        try:
            for machine in self._machines:
                await machine.close()
        finally:
            if self._tap is not None:
                self._tap.__exit__(None, None, None)

    def add_counts(self) -> None:
        """Add what the tap counted, once everything has ended."""
        if self._tap is not None:
            counted = self._tap.result()
            self._seen.result["tap"] = {
                "pages_in_save_complete": counted.pages_in_complete,
                **counted.qemu_counts,
            }

    def _open_tap(self, port: int) -> int:
        """Put a tap before the destination's port, and return its own."""
        self._tap = Tap(
            "tcp:127.0.0.1:0",
            f"tcp:127.0.0.1:{port}",
            link=self._pair.link,
            cut=self._pair.failures.exact_cut,
            outages=self._pair.failures.outages,
            seed=self._pair.seed,
        )
        self._tap.__enter__()
        return int(str(self._tap.address).rpartition(":")[2])
