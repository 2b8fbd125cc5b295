"""What a user or a mishap does while the migration runs.

A command changes a value at its time; the migration thread sees it when it looks next: at the
top of a pass, after a write, after a sleep. Nothing wakes it (migration_rate_limit).
"""

from __future__ import annotations

from migkit.oracle import decisions, network
from migkit.oracle.codes import Command, State
from migkit.oracle.world import World

RUNNING_PRECOPY = (State.SETUP, State.ACTIVE, State.PRE_SWITCHOVER, State.DEVICE)


def apply(w: World) -> None:
    """Carry out every item whose time or condition has come."""
    for index, item in enumerate(w.timeline):
        if index not in w.fired and due(w, item):
            w.fired.add(index)
            carry_out(w, item)


def due(w: World, item: dict) -> bool:
    """Whether the item's moment has come."""
    if item["at_state"] >= 0:
        return w.state == item["at_state"]
    if item["at_event"] >= 0:
        seen = w.event_ns.get(item["at_event"], -1)
        return 0 <= seen and seen + item["after_ns"] <= w.t
    return item["at_ns"] <= w.t


def cut_before(w: World, limit: int) -> int:
    """Return when the link is cut, if that is not after `limit`; else -1."""
    cuts = [w.cut_ns] if w.cut_ns >= 0 else []
    cuts += [
        item["at_ns"]
        for index, item in enumerate(w.timeline)
        if index not in w.fired and item["command"] == Command.CUT and item["at_ns"] >= 0
    ]
    first = min(cuts, default=-1)
    return first if first <= limit else -1


def next_moment(w: World) -> int:
    """Return when the next item that has a time comes, or -1."""
    times = [
        moment(w, item)
        for index, item in enumerate(w.timeline)
        if index not in w.fired and item["at_state"] < 0 and known(w, item)
    ]
    return min(times, default=-1)


def known(w: World, item: dict) -> bool:
    """Whether the item's moment can be told already."""
    return item["at_event"] < 0 or item["at_event"] in w.event_ns


def moment(w: World, item: dict) -> int:
    """Return the moment at which an item that is due came."""
    if item["at_event"] >= 0:
        return w.event_ns[item["at_event"]] + item["after_ns"]
    return item["at_ns"] if item["at_ns"] >= 0 else w.t


def carry_out(w: World, item: dict) -> None:
    """Change the state that the command changes."""
    command, at = item["command"], moment(w, item)
    if command == Command.MIGRATE_START_POSTCOPY:
        w.start_postcopy = w.plan.postcopy_possible
    elif command == Command.MIGRATE_SET_PARAMETERS:
        set_parameters(w, item["arguments"])
    elif command == Command.MIGRATE_CANCEL:
        if w.state in RUNNING_PRECOPY:
            w.set_state(State.CANCELLING, at)
            w.error = True
    elif command == Command.MIGRATE_CONTINUE:
        w.continue_asked = w.state == State.PRE_SWITCHOVER
    elif command == Command.MIGRATE_PAUSE:
        if w.state == State.POSTCOPY_ACTIVE:
            w.cut_ns = at
            w.error = True
    elif command == Command.MIGRATE_RECOVER:
        w.recover_asked = w.destination_state == State.POSTCOPY_PAUSED
    elif command == Command.MIGRATE:
        w.resume_asked = w.state == State.POSTCOPY_PAUSED
    elif command == Command.CUT:
        w.cut_ns = at
    elif command == Command.LINK_CHANGE:
        network.change(w, at, item["arguments"])


def set_parameters(w: World, arguments: dict[str, int]) -> None:
    """Change migration parameters; only a budget acts at once."""
    w.parameters.update(arguments)
    name = "max-postcopy-bandwidth" if w.in_postcopy else "max-bandwidth"
    if name in arguments and w.vm_running != w.in_postcopy:
        w.rate_limit_max = decisions.rate_limit_max(arguments[name])
