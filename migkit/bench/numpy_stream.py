"""The stream of the NumPy simulator: when bytes are written, and when the socket takes them."""

from __future__ import annotations

from migkit.oracle import decisions
from migkit.plan import Plan

PAGE_BYTES = 4096
BUFFER_BYTES = 32768
VECTOR_ENTRIES = 64
CLOCK_STEPS = 64


class NumpyStream:
    """A buffer of 32 KiB, a vector of 64 entries, a socket, and the time they take.

    Parameters
    ----------
    plan : Plan
        With link and costs.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.t = self.drain_end = 0
        self.transferred = self.waiting = self.service_ns = 0
        self.buffered = self.entries = 0
        self.open = False

    def put(self, count: int) -> None:
        """Put bytes into the buffer."""
        while count > 0:
            if not self.open:
                self.entries += 1
                self.open = True
                if self.entries >= VECTOR_ENTRIES:
                    self.waiting += 1
                    count -= 1
                    self.flush()
                    continue
            taken = min(count, BUFFER_BYTES - self.buffered)
            self.buffered += taken
            self.waiting += taken
            count -= taken
            if self.buffered == BUFFER_BYTES:
                self.flush()

    def put_page(self) -> None:
        """Put a page by reference."""
        self.entries += 1
        self.open = False
        self.waiting += PAGE_BYTES
        if self.entries >= VECTOR_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Write what waits; block until the socket has taken it."""
        count, service = self.waiting, self.service_ns
        self.waiting = self.service_ns = self.buffered = self.entries = 0
        self.open = False
        if count == 0:
            return
        self.t += self.plan.host.write_ns
        if self.plan.link_bandwidth_bytes_per_s:
            service = max(service, count * 10**9 // self.plan.link_bandwidth_bytes_per_s)
        self.drain_end = max(self.t, self.drain_end) + service
        room = service * self.plan.send_buffer_bytes // count
        self.t = max(self.t, self.drain_end - room)
        self.transferred += count

    def send(
        self,
        count: int,
        header: int,
        zero: bool,
        costs: tuple[int, int],
        budget: int | None,
        clock: tuple[int, int] | None,
    ) -> tuple[int, bool]:
        """Send equal records, as many as budget and time slice allow.

        Parameters
        ----------
        count, header : int
            Records; bytes before the page, or before the byte that stands for a zero page.
        zero : bool
            Whether they are zero pages.
        costs : (int, int)
            Nanoseconds a page here and at the destination.
        budget : int or None
            Bytes after which nothing more is sent.
        clock : (int, int) or None
            When the pass began, and after how many pages it reads the clock.

        Returns
        -------
        (int, bool)
            Pages that were sent, and whether the time is over.
        """
        sent = 0
        began, check = clock if clock is not None else (0, count + 1)
        while sent < count and (budget is None or self.transferred <= budget):
            pages = max(1, min(self.room(zero), count - sent, check - sent))
            self.t += pages * costs[0]
            self.service_ns += pages * costs[1]
            sent += pages
            if zero:
                self.put(pages * (header + 1))
            elif pages == 1:
                self.put(header)
                self.put_page()
            else:
                self.put_pages(pages, header)
            if sent == check:
                check += CLOCK_STEPS
                if decisions.pass_time_over(self.t - began):
                    return sent, True
        return sent, False

    def room(self, zero: bool) -> int:
        """Count the records that fit up to and with the next write."""
        if zero:
            return (BUFFER_BYTES - 1 - self.buffered) // 9 if self.open else 1
        closed = self.entries - self.open
        if closed & 1 or self.buffered + 8 * VECTOR_ENTRIES >= BUFFER_BYTES:
            return 1
        return (VECTOR_ENTRIES - closed) // 2

    def put_pages(self, pages: int, header: int) -> None:
        """Put records of header and page, each an entry of its own; at most `room`."""
        self.entries += 2 * pages - self.open
        self.open = False
        self.buffered += pages * header
        self.waiting += pages * (header + PAGE_BYTES)
        if self.entries >= VECTOR_ENTRIES:
            self.flush()
