"""A guest of migkit's own: memory, and vCPUs that really write to it. It can be migrated."""

from __future__ import annotations

import mmap
import threading
from types import TracebackType
from typing import Self

import numpy as np

from migkit.errors import InputError
from migkit.guest.writes import Writes
from migkit.workloads import Idle, Workload
from migkit.workloads.phased import Phases
from migkit.workloads.text import parse_workload

from .clock import GuestClock
from .contents import COUNTER_BYTES, ArenaCheck, compare, fill
from .dirty_log import DirtyLog
from .memory import GuestMemory, map_private
from .vcpu import Vcpu

__all__ = ["BEAT_NS", "MOST_VCPUS", "PAGE_BYTES", "ArenaGuest", "check_workload"]

PAGE_BYTES = 4096
MOST_VCPUS = 64
BEAT_NS = 10_000_000
"""The guest's heart beats every 10 ms of its clock."""
_KINDS = ("idle", "sequential", "uniform", "hotcold", "zipf", "phases")


class ArenaGuest:
    """Memory and threads that write to it, by a workload of migkit and in real time.

    Every write counts in its page (see `check`), so one that a migration loses is found. The
    guest runs from `start` on; `migkit.live.send` takes it as its source, while it runs, and
    `migkit.live.receive` with ``run`` gives it back at the destination, where it runs on.

    Parameters
    ----------
    size : int
        Bytes of memory, whole pages of 4096 bytes.
    workload : Workload or str, optional
        What is written: ``uniform:2000``, see `migkit.workloads.text`; idle if left out. Recorded
        workloads and Python functions cannot travel, and what a write leaves is fixed.
    vcpus : int
        Threads, 1..64; write number k is made by vCPU k modulo their number.
    mapping : mmap, optional
        Memory that is there already, with all its contents; of `map_private`.
    clock : GuestClock, optional
        With what it shows already.

    Attributes
    ----------
    workload : Workload
        Fitted to the memory.
    memory : GuestMemory
        Its pages.
    log : DirtyLog
        Which were written since the last sync.

    Raises
    ------
    InputError
        If a value is not valid.

    Examples
    --------
    >>> with ArenaGuest(1 << 20, "sequential:4000", vcpus=2) as guest:
    ...     guest.start()
    ...     guest.stop()
    ...     guest.check().whole
    True
    """

    def __init__(
        self,
        size: int,
        workload: Workload | str | None = None,
        *,
        vcpus: int = 1,
        mapping: mmap.mmap | None = None,
        clock: GuestClock | None = None,
    ) -> None:
        _check_size(size, vcpus)
        spec = parse_workload(workload) if isinstance(workload, str) else workload or Idle()
        check_workload(spec)
        self.workload = spec.within(size // PAGE_BYTES)
        self.memory = GuestMemory(map_private(size) if mapping is None else mapping, PAGE_BYTES)
        self.log = DirtyLog(self.memory.pages, vcpus)
        self.clock = clock or GuestClock()
        pieces = (vcpus, self.workload, self.memory, self.log)
        self.vcpus = [Vcpu(number, *pieces) for number in range(vcpus)]
        self._stopped = threading.Event()
        self._running = False
        if mapping is None:
            fill(self._words(), self.workload.touched, vcpus)

    @property
    def running(self) -> bool:
        """Whether its vCPUs write."""
        return self._running

    @property
    def writes(self) -> int:
        """Writes that were made so far, at both sides."""
        return sum(vcpu.writes for vcpu in self.vcpus)

    @property
    def beat(self) -> int:
        """Beats of its heart, one every 10 ms of its clock."""
        return self.clock.now_ns() // BEAT_NS

    def start(self) -> None:
        """Let it run, or run on."""
        if self._running:
            return
        self._stopped.clear()
        self._running = True
        self.clock.start()
        for vcpu in self.vcpus:
            vcpu.start(self.clock, self._stopped)

    def hold(self) -> None:
        """Ask its vCPUs to stand still, and do not wait: one may wait for a page."""
        self._stopped.set()

    def stop(self) -> None:
        """Let it stand still: afterwards nothing is written, and what was due waits."""
        self.hold()
        for vcpu in self.vcpus:
            vcpu.join()
        if self._running:
            self.clock.stop()
        self._running = False

    def check(self) -> ArenaCheck:
        """Compare its memory with what its writes must have left there.

        Returns
        -------
        ArenaCheck
            Which pages differ, and how many writes are missing.

        Raises
        ------
        InputError
            If it runs.
        """
        if self._running:
            raise InputError.of("check of a guest", "it runs", "stop it before")
        return compare(self._words(), self.workload, tuple(v.position for v in self.vcpus))

    def vcpu_of(self, thread_id: int) -> int | None:
        """Return the number of the vCPU that a thread of the system is."""
        for vcpu in self.vcpus:
            if vcpu.thread_id == thread_id:
                return vcpu.number
        return None

    def _words(self) -> np.ndarray:
        return self.memory.bytes.view(np.uint64).reshape(-1, PAGE_BYTES // 8)

    def __enter__(self) -> Self:
        """Begin a with-statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()


def _check_size(size: int, vcpus: int) -> None:
    if mmap.PAGESIZE != PAGE_BYTES:
        raise InputError.of(
            f"a guest on pages of {mmap.PAGESIZE} B",
            f"allowed {PAGE_BYTES} B",
            "use a machine with such pages",
        )
    if size < PAGE_BYTES or size % PAGE_BYTES:
        raise InputError.of(
            f"a guest of {size} B",
            f"allowed whole pages of {PAGE_BYTES} B, 1 or more",
            "give such a size, as 64MiB",
        )
    if not 1 <= vcpus <= MOST_VCPUS:
        raise InputError.of(
            f"a guest with {vcpus} vCPUs", f"allowed 1..{MOST_VCPUS}", "give such a number"
        )
    assert vcpus * COUNTER_BYTES <= PAGE_BYTES


def check_workload(spec: Workload) -> None:
    """Refuse what cannot travel with a guest.

    Raises
    ------
    InputError
        If it is recorded or a function, or says what a write leaves.
    """
    if spec.kind not in _KINDS:
        raise InputError.of(
            f"a guest that writes {spec.kind}",
            f"allowed {', '.join(_KINDS)}",
            "choose one of them",
        )
    if spec.writes != Writes():
        raise InputError.of(
            f"a guest whose writes leave {spec.writes}",
            "allowed is that they count, as without write=",
            "leave write= out",
        )
    if isinstance(spec, Phases):
        for phase in spec.phases:
            check_workload(phase.workload)
