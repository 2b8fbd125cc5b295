"""What a user or a mishap does while the migration runs.

A command changes a value at its time; the migration thread sees it when it looks next: at the
top of a pass, after a write, after a sleep. Nothing wakes it (migration_rate_limit).
"""

from __future__ import annotations

from migkit.oracle import commands, decisions, guest, network
from migkit.oracle.codes import Command, Reply, State
from migkit.oracle.world import PAGE_BYTES, World


def apply(w: World) -> None:
    """Carry out every item whose time or condition has come."""
    for index, item in enumerate(w.timeline):
        if index not in w.fired and due(w, item):
            w.fired.add(index)
            carry_out(w, item)


def look(w: World) -> None:
    """See before a page whether a change of zero-page-detection has come: each page reads it."""
    if any(
        "zero-page-detection" in item["arguments"] and index not in w.fired and due(w, item)
        for index, item in enumerate(w.timeline)
    ):
        apply(w)


def due(w: World, item: dict) -> bool:
    """Whether the item's moment has come."""
    if commands.waits_for_lock(item["command"], w.lock_held):
        return False
    if item["at_state"] >= 0:
        return w.state == item["at_state"]
    if item["at_event"] >= 0:
        seen = w.event_ns.get(item["at_event"], -1)
        return 0 <= seen and seen + item["after_ns"] <= w.t
    return item["at_ns"] <= w.t


def cut_before(w: World, limit: int) -> int:
    """Return when the link is cut, if that is not after `limit`; else -1.

    A destination that fails closes its side, which is a cut as soon as the source knows.
    """
    later = {Command.CUT: 0, Command.DESTINATION_ERROR: w.back_ns}
    cuts = [w.cut_ns] if w.cut_ns >= 0 else []
    cuts += [
        item["at_ns"] + later[item["command"]]
        for index, item in enumerate(w.timeline)
        if index not in w.fired and item["command"] in later and item["at_ns"] >= 0
    ]
    first = min(cuts, default=-1)
    return first if first <= limit else -1


def destination_error_before(w: World, limit: int) -> bool:
    """Whether the destination has failed to load by `limit`, be that known here or not."""
    if 0 <= w.destination_failed_ns <= limit:
        return True
    return any(
        item["command"] == Command.DESTINATION_ERROR and 0 <= item["at_ns"] <= limit
        for index, item in enumerate(w.timeline)
        if index not in w.fired
    )


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
    """Return the moment at which an item that is due came, or was let through."""
    if item["at_event"] >= 0:
        at = w.event_ns[item["at_event"]] + item["after_ns"]
    else:
        at = item["at_ns"] if item["at_ns"] >= 0 else w.t
    if commands.waits_for_lock(item["command"], lock_held=True):
        return max(at, w.lock_released_ns)
    return at


def carry_out(w: World, item: dict) -> None:
    """Answer a command by the state of its side, and do what an accepted one does."""
    at = moment(w, item)
    to_destination = to_the_destination(item)
    state = w.destination_state if to_destination else w.state
    reply = reply_to(w, item, state)
    w.tables["commands"].append((at, item["command"], int(to_destination), int(reply)))
    if reply == Reply.ACCEPTED:
        execute(w, item, at)


def to_the_destination(item: dict) -> bool:
    """Whether the destination's state decides."""
    if item["command"] == Command.MIGRATE_PAUSE:
        return item["to_destination"]
    return item["command"] == Command.MIGRATE_RECOVER


def execute(w: World, item: dict, at: int) -> None:
    """Change the state that the command changes."""
    command = item["command"]
    if command == Command.MIGRATE_START_POSTCOPY:
        w.start_postcopy = w.plan.postcopy_possible
    elif command == Command.MIGRATE_SET_PARAMETERS:
        set_parameters(w, item["arguments"])
    elif command == Command.MIGRATE_CANCEL:
        w.set_state(State.CANCELLING, at)
        w.error = True
    elif command == Command.MIGRATE_CONTINUE:
        w.continue_asked = w.state == State.PRE_SWITCHOVER
    elif command == Command.MIGRATE_PAUSE:
        w.cut_ns = at
        w.error = True
    elif command == Command.MIGRATE_RECOVER:
        w.recover_asked = True
    elif command == Command.MIGRATE:
        w.resume_asked = True
    elif command == Command.LINK_CHANGE:
        network.change(w, at, item["arguments"])
    elif command == Command.CUT:
        w.cut_ns = at
    else:
        mishap(w, command, at)


def mishap(w: World, command: int, at: int) -> None:
    """Let the destination fail to load, or the connection fail while setup waits for it."""
    if command == Command.DESTINATION_ERROR:
        w.destination_failed_ns = at
        w.cut_ns = at + w.back_ns
    elif w.state == State.SETUP and w.destination_state == State.SETUP:
        w.connect_failed = True
        w.error = True


def answer_the_rest(w: World) -> None:
    """Answer what is given after the end."""
    ended = (State.COMPLETED, State.FAILED, State.CANCELLED)
    if w.state not in ended:
        return
    for index, item in enumerate(w.timeline):
        if index not in w.fired and item["at_ns"] >= 0:
            to_destination = to_the_destination(item)
            state = w.destination_state if to_destination else w.state
            reply = reply_to(w, item, state)
            row = (item["at_ns"], item["command"], int(to_destination), int(reply))
            w.tables["commands"].append(row)


def set_parameters(w: World, arguments: dict[str, int]) -> None:
    """Change migration parameters; who uses one reads it then, only a budget acts at once."""
    if "x-vcpu-dirty-limit-period" in arguments and w.dirty_limit.in_service:
        guest.advance(w)  # the measurement that runs by now began with the old period
    w.parameters.update(arguments)
    if w.xbzrle is not None:
        w.xbzrle.resize(w.parameters.get("xbzrle-cache-size", w.xbzrle.cache_pages * PAGE_BYTES))
    name = "max-postcopy-bandwidth" if w.in_postcopy else "max-bandwidth"
    if name in arguments:
        w.rate_limit_max = decisions.rate_limit_max(arguments[name])


def reply_to(w: World, item: dict, state: State) -> int:
    """Return what a side in that state answers."""
    released = w.plan.release is not None
    return commands.reply_to(item["command"], int(state), item["asked_state"], released)
