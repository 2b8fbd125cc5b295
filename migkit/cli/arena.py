"""The guest of migkit's own on the command line: made, let run on, looked at."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from migkit.cli import options
from migkit.errors import InputError
from migkit.units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from migkit.live import ArenaGuest, Reception

__all__ = ["add_run", "add_vcpus", "guest_of", "ran_on", "seconds_of", "state_of", "told"]

_PREFIX = "arena:"
_RUN_S = 1.0


def add_vcpus(group: argparse._ArgumentGroup) -> None:
    """Add what a guest is made with."""
    group.add_argument(
        "--vcpus",
        metavar="N",
        type=options.whole_number,
        help="threads of the guest of arena:SIZE (default: 1)",
    )


@contextlib.contextmanager
def guest_of(arguments: argparse.Namespace) -> Generator[ArenaGuest | None]:
    """Make the guest that SOURCE asks for, and stop it behind; None where it is a saved one."""
    source = str(arguments.source)
    if not source.startswith(_PREFIX):
        if arguments.vcpus is not None:
            raise InputError.of(
                "--vcpus", "a saved guest has no threads here", "send arena:SIZE, or leave it out"
            )
        yield None
        return
    from migkit.live import ArenaGuest

    size = parse_bytes(source.removeprefix(_PREFIX), "arena")
    vcpus = 1 if arguments.vcpus is None else arguments.vcpus
    with ArenaGuest(size, arguments.workload, vcpus=vcpus) as guest:
        yield guest


def state_of(guest: ArenaGuest | None) -> dict[str, Any]:
    """Return how far a guest came here, for JSON; nothing of a saved one."""
    if guest is None:
        return {}
    return {"guest": {"vcpus": len(guest.vcpus), "writes": guest.writes, "beat": guest.beat}}


def add_run(group: argparse._ArgumentGroup) -> None:
    """Add what lets a guest run on."""
    group.add_argument(
        "--run",
        dest="run_guest",
        action="store_true",
        help="let the guest of `migkit send arena:SIZE` run on here",
    )
    group.add_argument(
        "--run-for",
        metavar="TIME",
        help="for how long after the migration, before its memory is checked (default: 1s)",
    )


def seconds_of(arguments: argparse.Namespace) -> float:
    """Return for how long a guest is to run on."""
    if arguments.run_for is None:
        return _RUN_S
    if not arguments.run_guest:
        raise InputError.of("--run-for", "no guest runs here", "add --run, or leave it out")
    return parse_duration(arguments.run_for, "run-for") / 1e9


def ran_on(received: Reception, seconds: float) -> dict[str, Any]:
    """Let a guest that arrived run on, then stop it and look for writes that are lost.

    Parameters
    ----------
    received : Reception
        With its guest, if it has one.
    seconds : float
        For how long.

    Returns
    -------
    dict
        The summary of the migration; its ``guest`` has ``writes`` at both sides, ``lost_writes``
        and ``wrong_pages`` too.
    """
    summary, guest = received.to_dict(), received.guest
    if guest is None:
        return summary
    with guest:
        time.sleep(seconds)
    found = guest.check()
    summary["guest"] |= {
        "writes": found.writes,
        "lost_writes": found.lost_writes,
        "wrong_pages": len(found.wrong_pages),
    }
    return summary


def told(guest: dict[str, Any]) -> str:
    """Tell in two lines what became of a guest."""
    latency = guest["postcopy-latency"] / 1000
    return (
        f"{'guest':<18} {guest['writes']} writes, {guest['writes_before']} of them at the source; "
        f"{guest['lost_writes']} lost, {guest['wrong_pages']} pages wrong\n"
        f"{'blocktime':<18} {guest['postcopy-blocktime']} ms, of vCPUs "
        f"{guest['postcopy-vcpu-blocktime']} ms; mean latency {latency:.0f} us"
    )
