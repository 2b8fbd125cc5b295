"""The guest's writes, one after the other: what a workload's specification means.

A writer is a sequence of (time, page): time in nanoseconds of guest time since migration began,
pages counted from the start of guest memory. Programs work in batches: batch k = 1, 2, … comes
after k times ``batch_ms`` of guest time and makes the write count what the rate has it be by
then, rounded down. A program began ``lead_ns`` before migration; those writes are over, but they
have used up positions and random numbers. Recordings and callbacks begin with migration.

Random pages. ``xorshift32`` is the captures' guest: 1024 numbers for each of ``total_pages``
filled pages, then one for a page, and for hot and cold one before it for the choice; the number
modulo the range. ``counter`` has no state: attempt j for write i is number i + j × 2**48 of its
stream, reduced to the range by the upper half of a 128-bit product (a bias below range / 2**64);
the stream of a phase is its position from 1, of any other writer 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import count, repeat
from typing import Any

from migkit.oracle.draws import counter, jump, stream_key, xorshift32, xorshift32_start, zipf
from migkit.workload_values import (
    DRAWS_PER_FILLED_PAGE,
    NS_PER_MS,
    NS_PER_S,
    QUIET_BATCHES,
    callback_pages,
    rate_steps,
)

ATTEMPT = 1 << 48

Write = tuple[int, int]
Look = tuple[int, int | None, int, int]
Draw = Callable[[int, int, int], int]


class Writer:
    """A sequence of writes, taken in order.

    Parameters
    ----------
    looks : iterable of (int, int or None, int, int)
        Times and pages; phase, or 0; number of the write in its program, from 1 on. None instead
        of a page stands for a moment at which there may turn out to be writes.

    Attributes
    ----------
    number : int
        Number of the next write, from 0 when migration began: which vCPU makes it.
    """

    def __init__(self, looks: Iterable[Look]) -> None:
        self._looks = iter(looks)
        self._next: Look | None = next(self._looks, None)
        self.number = 0

    def look(self) -> Look | None:
        """Return the next write or moment, None at the end."""
        return self._next

    def step(self) -> None:
        """Go past what `look` returns."""
        self.number += self._next is not None and self._next[1] is not None
        self._next = next(self._looks, None)

    def peek(self) -> Write | None:
        """Return time and page of the next write, None if there is none."""
        while self._next is not None:
            at, page, *_ = self._next
            if page is not None:
                return at, page
            self.step()
        return None

    def pop(self) -> None:
        """Go past the write that `peek` returned."""
        self.step()

    def advance(self, guest_ns: int, sink: Callable[[int], object]) -> None:
        """Call `sink` with the page of each write up to and including `guest_ns`."""
        for page, _, _ in self.take(guest_ns):
            sink(page)

    def take(self, guest_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield page, phase and number of each write up to and including `guest_ns`."""
        while self._next is not None and self._next[0] <= guest_ns:
            _, page, source, number = self._next
            self.step()
            if page is not None:
                yield page, source, number


def make_writer(spec: Any, lead_ns: int = 0) -> Writer:
    """Start the writer of a workload.

    Parameters
    ----------
    spec : Workload
        Fitted to its guest (`Workload.within`).
    lead_ns : int
        Guest time the program ran before migration began, nanoseconds.

    Returns
    -------
    Writer
        Its writes from the beginning of migration on.
    """
    began = 0 if spec.kind in ("recorded-pages", "recorded-rate", "callback") else lead_ns
    looks = _looks(spec, began, 0)
    return Writer((look[0] - began, *look[1:]) for look in looks if look[0] >= began)


def _looks(spec: Any, skip_ns: int, stream: int) -> Iterator[Look]:
    """Yield times since the program began; what comes before `skip_ns` may be left out."""
    source = max(stream - 1, 0)
    if spec.kind == "phases":
        return _phases(spec)
    if spec.kind == "callback":
        return _callback(spec, source)
    if spec.kind == "recorded-pages":
        rows = zip(spec.t_ns, spec.page, count(1))
        return ((int(at), spec.base_page + int(page), source, n) for at, page, n in rows)
    rates = rate_steps(spec)
    batch_ns = spec.batch_ms * NS_PER_MS
    skipped = written(rates, (skip_ns - 1) // batch_ns * batch_ns) if skip_ns > 0 else 0
    pages = (spec.base_page + page for page in _pages(spec, skipped, stream))
    times = _times(rates, skipped, batch_ns)
    return zip(times, pages, repeat(source), count(skipped + 1), strict=False)


# --- how many, and when ---


def written(rates: list[tuple[int, Fraction]], at_ns: int) -> int:
    """Return the count of writes due after `at_ns` of guest time, rounded down."""
    ends = [start for start, _ in rates[1:]] + [at_ns]
    spans = (
        (min(end, at_ns) - start, rate) for (start, rate), end in zip(rates, ends, strict=True)
    )
    return math.floor(sum(rate * max(span, 0) for span, rate in spans) / NS_PER_S)


def _times(rates: list[tuple[int, Fraction]], done: int, batch_ns: int) -> Iterator[int]:
    """Yield the time of each write after the first `done`: the end of the batch it is due in."""
    ends: list[int | None] = [start for start, _ in rates[1:]]
    due = Fraction(0)
    for (start, rate), end in zip(rates, [*ends, None], strict=True):
        reached = None if end is None else due + rate * (end - start) / NS_PER_S
        while rate and (reached is None or done + 1 <= reached):
            done += 1
            at = start + math.ceil((done - due) * NS_PER_S / rate)
            yield -(-at // batch_ns) * batch_ns
        due = due if reached is None else reached


def _phases(spec: Any) -> Iterator[Look]:
    """Yield what each phase writes while it lasts, in its own time, again and again."""
    parts = [Writer(_looks(phase.workload, 0, i)) for i, phase in enumerate(spec.phases, start=1)]
    lasts = [phase.duration_ms * NS_PER_MS for phase in spec.phases]
    began = 0
    for turn in count(1):
        for part, last in zip(parts, lasts, strict=True):
            while (due := part.look()) is not None and due[0] <= turn * last:
                yield began + due[0] - (turn - 1) * last, *due[1:]
                part.step()
            began += last
        if all(part.look() is None for part in parts):
            return


def _callback(spec: Any, source: int) -> Iterator[Look]:
    """Yield the end of each batch, then the pages that the function says were written in it."""
    quiet, batch_ns, numbers = 0, spec.batch_ms * NS_PER_MS, count(1)
    for end in count(batch_ns, batch_ns):
        yield end, None, source, 0
        pages = callback_pages(spec, end - batch_ns, end)
        yield from ((end, spec.base_page + int(page), source, next(numbers)) for page in pages)
        quiet = 0 if pages.size else quiet + 1
        if quiet == QUIET_BATCHES:
            return


# --- which page ---


def _pages(spec: Any, skipped: int, stream: int) -> Iterator[int]:
    """Yield the page of each write after the first `skipped`."""
    if spec.kind in ("idle", "sequential"):
        return (i % spec.pages for i in count(skipped))
    draw = _draws(spec, skipped, stream)
    if spec.kind == "hotcold":
        return (_hot_or_cold(spec, draw, i) for i in count(skipped))
    if spec.kind == "zipf":
        pick = zipf(spec.pages, float(spec.exponent))
        return (_zipf_page(pick, draw, i) for i in count(skipped))
    return (draw(i, 0, spec.pages) for i in count(skipped))


def _hot_or_cold(spec: Any, draw: Draw, i: int) -> int:
    """Choose between the first pages and the others, then one of them."""
    if draw(i, 0, 100) < spec.hot_percent:
        return draw(i, 1, spec.hot_pages)
    return int(spec.hot_pages) + draw(i, 1, spec.pages - spec.hot_pages)


def _zipf_page(pick: Callable[[Callable[[int], int]], int], draw: Draw, i: int) -> int:
    """Pick a page by numbers of 53 bits, one for each attempt."""
    return pick(lambda attempt: draw(i, attempt, 1 << 53))


def _draws(spec: Any, skipped: int, stream: int) -> Draw:
    """Return draw(write, attempt, range) of the workload's generator."""
    if spec.generator == "counter":
        key = stream_key(spec.seed, stream)
        return lambda i, j, n: counter(key, i + j * ATTEMPT) * n >> 64
    per_write = 2 if spec.kind == "hotcold" else 1
    gone = spec.total_pages * DRAWS_PER_FILLED_PAGE + skipped * per_write
    numbers = xorshift32(jump(xorshift32_start(spec.seed), gone))
    return lambda i, j, n: next(numbers) % n
