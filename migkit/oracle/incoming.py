"""The destination of a postcopy migration: what is on its way to it, and its vCPUs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from migkit.oracle.blocktime import Blocktime

PONG, PONG_PACKAGE_LOADED = -1, -2
"""Messages that are no requests."""

PAGE, FAULT_NS, REQUEST_NS, SENT_NS, PLACED_NS, VCPU = range(6)
"""Cells of a row of the table of faults."""


@dataclass
class Vcpu:
    """One vCPU of the guest on the destination."""

    free_ns: int = 0  # when it is done with what it did last
    waits: bool = False  # for a page
    asked: bool = False  # and the fault thread has seen it
    page: int = 0
    fault_ns: int = 0  # when the fault thread sees it
    row: list[int] = field(default_factory=list)  # of the table of faults
    writes: deque[tuple[int, int]] = field(default_factory=deque)  # due time and page


class Incoming:
    """State of the destination.

    Parameters
    ----------
    plan : migkit.plan.Plan
        Resolved inputs.
    """

    def __init__(self, plan: Any) -> None:
        self.costs = plan.host.postcopy
        self.blocktime = Blocktime(plan.vcpus, plan.postcopy.blocktime_in_ns)
        self.vcpus = [Vcpu() for _ in range(plan.vcpus)]
        self.taken = 0  # writes that went to a vCPU
        self.first_touches = list(plan.always_dirty_pages)  # pages the guest writes first
        self.batch: list[int] = []  # pages of the write in the making
        self.in_flight: deque[tuple[int, int]] = deque()  # when a page is in place, and the page
        self.urgent: deque[tuple[int, int]] = deque()  # the same of the second channel
        self.urgent_placed_ns = 0  # when the last of these is in place
        self.handling: deque[tuple[int, Vcpu]] = deque()  # when the fault thread sees a fault
        self.accounts: deque[tuple[int, int]] = deque()  # when a placed page is accounted
        self.messages: deque[tuple[int, Any]] = deque()  # when it has something to say, and what
        self.requests: deque[tuple[int, list[int]]] = deque()  # when a request arrives, its row
        self.asked: deque[list[int]] = deque()  # requests the source has not looked at
        self.discarded_ns = 0  # when it has dropped all pages that the source named so far
        self.acked_ns = 0  # when all it said will be acknowledged: what follows waits for that
        self.heard_ns = -1  # when the last of it reaches the source; -1 = nothing said
        self.unacked = False  # and the source's TCP has not acknowledged it yet
        self.interactive = False  # because it expects to send something itself soon
        self.fault_thread_ns = 0  # the fault thread sees nothing before this
        self.broken = False  # the link is down
        self.stuck: list[int] | None = None  # the fault that cannot be asked for meanwhile
