"""How both sides of a pair stand: their states, and which of them runs the guest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migkit.lab.machine import Machine

__all__ = ["listen_for_beats", "states_of", "status_of"]

_SIDES = ("source", "destination")
_TICK_S = 0.05
_BEATS_WITHIN_S = 20
_LISTENS_FOR_BEATS_S = 0.4


async def status_of(machine: Machine) -> str:
    """Return the state of one side's migration, or why it tells none."""
    reply = await machine.ask("query-migrate")
    return str(reply.get("status", "none")) if reply is not None else machine.absence


async def states_of(machines: Sequence[Machine]) -> dict[str, Any]:
    """Return the last replies of both sides.

    Parameters
    ----------
    machines : sequence of Machine
        Source and destination.

    Returns
    -------
    dict
        ``source`` and ``destination``, each with ``migration`` and ``vm``; a word where a side is
        gone.
    """
    return {
        side: {
            "migration": await _told(machine, "query-migrate"),
            "vm": await _told(machine, "query-status"),
        }
        for side, machine in zip(_SIDES, machines, strict=True)
    }


async def _told(machine: Machine, command: str) -> dict[str, Any] | str:
    reply = await machine.ask(command)
    return machine.absence if reply is None else reply


async def listen_for_beats(machines: Sequence[Machine], states: dict[str, Any]) -> dict[str, Any]:
    """Tell on which side the guest goes on, by its heartbeats.

    A side that says that it runs, and waits for no page that cannot come, is waited for.

    Parameters
    ----------
    machines : sequence of Machine
        Source and destination.
    states : dict
        What `states_of` returned.

    Returns
    -------
    dict
        For each side ``beating``, and ``guest_ms`` and ``page_writes`` of its last beat.
    """
    first = [machine.beat() for machine in machines]
    expected = [number for number, side in enumerate(_SIDES) if _runs(states[side])]
    started = time.monotonic()
    while (late := time.monotonic() - started) < _BEATS_WITHIN_S:
        heard = all(machines[number].beat() != first[number] for number in expected)
        if heard and late >= _LISTENS_FOR_BEATS_S:
            break
        await asyncio.sleep(_TICK_S)
    last = [machine.beat() for machine in machines]
    return {
        side: {
            "beating": now is not None and now != before,
            "guest_ms": now[0] if now else None,
            "page_writes": now[1] if now else None,
        }
        for side, before, now in zip(_SIDES, first, last, strict=True)
    }


def _runs(state: dict[str, Any]) -> bool:
    machine, migration = state["vm"], state["migration"]
    running = isinstance(machine, dict) and machine.get("status") == "running"
    paused = isinstance(migration, dict) and migration.get("status") == "postcopy-paused"
    return running and not paused
