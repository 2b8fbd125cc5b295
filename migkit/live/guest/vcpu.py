"""A vCPU: a thread that really writes, each write when it is due by the guest's clock."""

from __future__ import annotations

import threading

from migkit._engine.bitmap import Bitmap
from migkit._engine.writers import make_writer
from migkit.errors import InputError
from migkit.workloads import Workload

from .clock import GuestClock
from .contents import COUNTER_BYTES, COUNTERS
from .dirty_log import DirtyLog
from .memory import GuestMemory

__all__ = ["Vcpu"]

_TURN_S = 0.001


class Vcpu:
    """One of several; of all writes it makes each whose number it is, counted round.

    Parameters
    ----------
    number, of : int
        Which one, and how many there are.
    workload : Workload
        Fitted to the memory.
    memory : GuestMemory
        Where to.
    log : DirtyLog
        Of that memory.

    Attributes
    ----------
    writes : int
        That it made, at both sides.
    thread_id : int
        The system's, 0 while it does not run.
    """

    def __init__(
        self, number: int, of: int, workload: Workload, memory: GuestMemory, log: DirtyLog
    ) -> None:
        self.number, self._of = number, of
        self._writer = make_writer(workload)
        self._memory, self._log = memory, log
        self._here = bytearray(memory.pages)
        self._place = number * COUNTER_BYTES
        self.writes = self.thread_id = 0
        self._thread: threading.Thread | None = None

    @property
    def position(self) -> int:
        """Number of the first write that it has not considered."""
        return self._writer.number

    @property
    def ahead(self) -> tuple[int, int] | None:
        """When that write is due, nanoseconds, and its page: what chance has drawn."""
        return self._writer.next_write()

    def go_to(
        self, position: int, ahead: tuple[int, int] | None, writes: int, clock_ns: int
    ) -> None:
        """Pass over the writes that were considered at the other side.

        Raises
        ------
        InputError
            If the workload does not lead there.
        """
        last_ns = clock_ns if ahead is None else ahead[0]
        if last_ns > 0:
            self._writer.write_into(last_ns - 1, Bitmap(self._memory.pages))
        while self._writer.number < position and self._writer.next_write(last_ns) is not None:
            self._writer.drop_write()
        if self._writer.number != position or self._writer.next_write() != ahead:
            raise InputError.of(
                f"vCPU {self.number} at write {position}, {ahead}",
                f"here it is {self._writer.number}, {self._writer.next_write()}",
                "use the same version of migkit at both sides",
            )
        self.writes = writes

    def start(self, clock: GuestClock, stopped: threading.Event) -> None:
        """Let it run until it is stopped."""
        self._thread = threading.Thread(
            target=self._run, args=(clock, stopped), name=f"vcpu {self.number}", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Wait until it stands still."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, clock: GuestClock, stopped: threading.Event) -> None:
        self.thread_id = threading.get_native_id()
        writer, own, of = self._writer, self.number, self._of
        while not stopped.is_set():
            found = writer.next_write(clock.now_ns())
            if found is None:
                stopped.wait(_TURN_S)
                continue
            number = writer.number
            if number % of == own:
                self._write(found[1], number + 1)
            writer.drop_write()
        self.thread_id = 0

    def _write(self, page: int, number: int) -> None:
        """Count a write in its page; once it was touched it is there, and Python may hold it."""
        memory = self._memory
        self._log.begin(self.number, page)
        if not self._here[page]:
            memory.touch(page)
            self._here[page] = 1
        at = page * memory.page_size + self._place
        count, _ = COUNTERS.unpack_from(memory.view, at)
        COUNTERS.pack_into(memory.view, at, count + 1, number)
        self._log.end(self.number)
        self.writes += 1
