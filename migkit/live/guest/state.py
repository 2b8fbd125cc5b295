"""The state of a guest's vCPUs in a stream: one device section, JSON of one length.

It holds the workload, the guest's clock, and of each vCPU how far it is: with the workload's seed
and a number, chance is where it was, and what it draws next is told to be checked. JSON of numbers
has no byte 0x7e, so no footer is found in it by chance.
"""

from __future__ import annotations

import json
from typing import Any

from migkit.errors import MigkitError, StreamError
from migkit.scenario.workload_tables import workload_from_dict, workload_to_dict
from migkit.workloads import Workload
from migkit.workloads.phased import Phases

from .arena_guest import PAGE_BYTES, ArenaGuest, check_workload
from .clock import GuestClock

__all__ = ["BLOCK", "DEVICE", "VERSION", "description_of", "guest_of_state", "state_of"]

BLOCK = "migkit.arena"
"""Name of the RAM block."""
DEVICE = "migkit-vcpus"
VERSION = 1
_VCPU_BYTES, _CLOCK_BYTES = 160, 160
_MOST_NS = 1 << 56
"""More than two years."""
_MOST_WRITES = 1 << 30
"""Passing over so many takes a few seconds; a guest makes them in half a day at 20000/s."""
_WRONG = (
    MigkitError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_FIX = "send the guest with migkit: an arena, or leave out run"


def state_of(guest: ArenaGuest) -> bytes:
    """Write the state of a guest that stands still; as many bytes each time.

    Parameters
    ----------
    guest : ArenaGuest
        Whose vCPUs.

    Returns
    -------
    bytes
        The body of the section.
    """
    workload = workload_to_dict(guest.workload)
    values = {
        "workload": workload,
        "page_size": PAGE_BYTES,
        "clock_ns": guest.clock.now_ns(),
        "beat": guest.beat,
        "vcpus": [
            {"position": vcpu.position, "ahead": vcpu.ahead, "writes": vcpu.writes}
            for vcpu in guest.vcpus
        ],
    }
    return json.dumps(values).encode("ascii").ljust(_state_bytes(guest))


def _state_bytes(guest: ArenaGuest) -> int:
    told = len(json.dumps(workload_to_dict(guest.workload)))
    return told + _CLOCK_BYTES + _VCPU_BYTES * len(guest.vcpus)


def description_of(guest: ArenaGuest) -> bytes:
    """Describe the section, as the end of a stream of precopy does (``vmdesc``)."""
    size = _state_bytes(guest)
    field = {"name": "state", "type": "buffer", "size": size}
    device = {"name": DEVICE, "instance_id": 0, "vmsd_name": DEVICE, "version": VERSION}
    told = {"page_size": PAGE_BYTES, "devices": [device | {"fields": [field]}]}
    return json.dumps({"configuration": {}} | told).encode("ascii")


def guest_of_state(body: bytes, mapping: Any) -> ArenaGuest:
    """Make the guest whose state came, on the memory that its pages come to.

    Parameters
    ----------
    body : bytes
        Of the section.
    mapping : mmap
        The memory.

    Returns
    -------
    ArenaGuest
        It stands still.

    Raises
    ------
    StreamError
        If it is no state, or not one of a guest with such memory.
    """
    try:
        values = json.loads(body)
        if values["page_size"] != PAGE_BYTES or not 0 <= values["clock_ns"] < _MOST_NS:
            raise ValueError(f"pages of {values['page_size']} B, clock {values['clock_ns']} ns")
        guest = _guest(values, mapping)
        if guest.beat != values["beat"]:
            raise ValueError(f"beat {values['beat']} at {values['clock_ns']} ns")
    except _WRONG as error:
        raise StreamError.of(
            f"section {DEVICE}", f"{type(error).__name__}: {error}", _FIX
        ) from None
    return guest


def _guest(values: dict[str, Any], mapping: Any) -> ArenaGuest:
    _check_written(values["workload"])
    workload = workload_from_dict(values["workload"])
    check_workload(workload)
    clock = GuestClock(values["clock_ns"])
    told = values["vcpus"]
    guest = ArenaGuest(len(mapping), workload, vcpus=len(told), mapping=mapping, clock=clock)
    for vcpu, row in zip(guest.vcpus, told, strict=True):
        ahead = None if row["ahead"] is None else (int(row["ahead"][0]), int(row["ahead"][1]))
        last_ns = values["clock_ns"] if ahead is None else ahead[0]
        if not 0 <= last_ns < _MOST_NS or _fastest(workload) * last_ns > _MOST_WRITES * 10**9:
            raise ValueError(f"more than {_MOST_WRITES} writes until {last_ns} ns")
        vcpu.go_to(int(row["position"]), ahead, int(row["writes"]), values["clock_ns"])
    return guest


def _fastest(workload: Workload) -> float:
    """Return writes in a second, of a workload or of its fastest phase."""
    if isinstance(workload, Phases):
        return max(_fastest(phase.workload) for phase in workload.phases)
    return workload.rate_pages_per_s


def _check_written(workload: dict[str, Any]) -> None:
    """Refuse a workload that names a file: a peer must not have one read here."""
    if workload.get("path"):
        raise ValueError("a workload of a file")
    for phase in workload.get("phases", ()):
        _check_written(phase["workload"])
