"""Which vCPU waited for which page, and for how long: QEMU's postcopy-blocktime.

Source: migration/postcopy-ram.c (mark_postcopy_blocktime_begin, mark_postcopy_blocktime_end).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from migkit._engine.blocktime import account_faults
from migkit.results.blocktime import destination_summary_of

__all__ = ["FaultAccount"]

_END = -1


class FaultAccount:
    """Written under the lock of the requests, as QEMU's is under ``page_request_mutex``.

    Attributes
    ----------
    others : int
        Faults of threads that are no vCPUs.
    """

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._events: list[tuple[int, int, int]] = []
        self._next: int | None = None
        self._waits: dict[int, int] = {}
        self.others = 0

    def found(self, vcpu: int | None) -> None:
        """Tell who meets the fault that is asked for next; None is no vCPU, and not accounted."""
        self._next = vcpu
        self.others += vcpu is None

    def begin(self, page: int) -> None:
        """Note that a vCPU waits for a page, once for each fault.

        It waits for one at a time. So where it meets its next fault, the page before is there,
        though whoever placed it has not said so yet: QEMU loses such a wait, here it is ended.
        """
        vcpu, self._next = self._next, None
        if vcpu is None:
            return
        if vcpu in self._waits:
            self.end([self._waits[vcpu]])
        self._waits[vcpu] = page
        self._note(vcpu, page)

    def end(self, pages: Iterable[int]) -> None:
        """Note that pages are placed; one that nobody waits for counts for nothing."""
        for page in pages:
            done = [vcpu for vcpu, waits_for in self._waits.items() if waits_for == page]
            for vcpu in done:
                del self._waits[vcpu]
            if done:
                self._note(_END, page)

    def _note(self, vcpu: int, page: int) -> None:
        self._events.append((vcpu, page, time.monotonic_ns() - self._began_ns))

    def columns(self) -> dict[str, list[Any]]:
        """Return one row a fault that ended.

        Returns
        -------
        dict of list
            ``t_ns`` since postcopy was listened for, ``page``, ``vcpu``, ``latency_ns`` until it
            was placed.
        """
        open_faults: dict[int, list[tuple[int, int]]] = {}
        rows = []
        for vcpu, page, t_ns in self._events:
            if vcpu != _END:
                open_faults.setdefault(page, []).append((vcpu, t_ns))
                continue
            rows += [(t, page, who, t_ns - t) for who, t in open_faults.pop(page, ())]
        names = ("t_ns", "page", "vcpu", "latency_ns")
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return {name: list(column) for name, column in zip(names, columns, strict=True)}

    def summary(self, state: str, vcpus: int) -> dict[str, Any]:
        """Return what QEMU's destination tells of it, under its names.

        Parameters
        ----------
        state : str
            Of the destination; only a completed one tells.
        vcpus : int
            Of the guest.
        """
        account = account_faults(vcpus, True, 0, self._events)
        return destination_summary_of({"destination_state": state, "blocktime": account})
