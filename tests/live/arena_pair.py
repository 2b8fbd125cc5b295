"""A guest of threads, and a pair of ours that moves it: what the tests of arenas share."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migkit.errors import UserfaultfdError
from migkit.live import ArenaGuest, Receiver, Reception, Sent, send
from migkit.live.guest.userfaultfd import check_userfaultfd
from required import lacking

WAIT_S = 60.0
_SERVED = 3
SLOW = {"max-bandwidth": 24 << 20, "max-postcopy-bandwidth": 24 << 20, "downtime-limit": 20}
POSTCOPY = ("return-path", "postcopy-ram")
PREEMPT = (*POSTCOPY, "postcopy-preempt")


def until(reached: Callable[[], object], what: str = "") -> None:
    """Wait for a state."""
    end = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < end, what
        time.sleep(0.002)


def permitted() -> None:
    """End a test where the system does not permit userfaultfd."""
    try:
        check_userfaultfd()
    except UserfaultfdError as error:
        lacking(error)


def open_things() -> tuple[int, set[str]]:
    """Return how many descriptors this process has, and the names of its threads.

    A listener keeps one of its own until nobody knows it any more.
    """
    gc.collect()
    return len(os.listdir("/proc/self/fd")), {thread.name for thread in threading.enumerate()}


def nothing_more(before: tuple[int, set[str]]) -> bool:
    """Tell whether nothing is there that was not before; threads of other tests may have ended."""
    descriptors, threads = open_things()
    return descriptors <= before[0] and threads <= before[1]


class Pair:
    """A destination that listens, and a source that sends an arena to it in a thread."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        defaults = {"run": True, "wait_s": WAIT_S, "recover_s": 0}
        self.receiver = Receiver(f"unix:{folder}/to", **(defaults | settings))
        self.came: list[Reception] = []
        self.sent: list[Sent] = []
        self._threads: list[threading.Thread] = []
        self._begin(lambda: self.came.append(self.receiver.run()))

    def send(self, guest: ArenaGuest, **values: Any) -> None:
        """Begin to send: by precopy so that it ends on any machine, by postcopy before it does."""
        limits = SLOW if "postcopy_at_s" in values else SLOW | {"downtime-limit": 300}
        values = {"parameters": limits, "timeout_s": WAIT_S} | values
        uri = str(self.receiver.address)
        self._begin(lambda: self.sent.append(send(guest, uri, **values)))

    def cut_when_served(self, *, wait: bool = True) -> Callable[[object], None]:
        """Return what breaks the connection in the source's thread, once it serves requests.

        With `wait` it goes on when the destination is paused and a vCPU waits for a page there.

        A request comes behind the word that the guest's state is loaded; from the pass after it
        the source may pause.
        """
        passes = []

        def step(counted: object) -> None:
            requests = self.receiver._destination.requests
            if requests is None or len(requests.latency_s) < _SERVED:
                return
            passes.append(counted)
            if len(passes) == 3:
                self.receiver.yank()
                to = self.receiver._destination
                until(lambda: to.pauses and (not wait or requests.waits), "no wait")

        return step

    def join(self) -> tuple[Sent, Reception]:
        """Wait until both are over."""
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        return self.sent[0], self.came[0]

    def _begin(self, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


def arrived_whole(sent: Sent, came: Reception, more_writes: int = 20) -> ArenaGuest:
    """Let a guest that arrived write on, stop it, and look at all of its writes."""
    assert (sent.outcome, sent.error) == ("completed", "")
    assert (came.outcome, came.error, came.missing_pages) == ("completed", "", 0)
    guest = came.guest
    assert guest is not None
    assert guest.running
    if guest.workload.kind != "idle":
        until(lambda now=guest.writes: guest.writes >= now + more_writes, "no more writes")  # type: ignore[misc]
    guest.stop()
    found = guest.check()
    assert (found.lost_writes, found.wrong_pages.tolist()) == (0, [])
    assert found.writes == guest.writes
    return guest
