"""Work spread over threads: results in order, and nothing goes on after a failure or Ctrl-C.

The compiled engine runs without Python's lock, so threads simulate at the same time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from migkit.errors import InputError

__all__ = ["Stopped", "in_order", "thread_count", "watched"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int], object]

_LOOK_S = 0.05
_here = threading.local()


class Stopped(BaseException):
    """Ends the work of one thread because that of another failed, or was interrupted."""


def thread_count(threads: int | None) -> int:
    """Return how many threads to use.

    Parameters
    ----------
    threads : int or None
        What was asked for; None is one for each processor that this process may use.

    Returns
    -------
    int
        1 or more.

    Raises
    ------
    InputError
        If it is no whole number above zero.
    """
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError.of(
            f"threads {threads!r}", "allowed whole numbers, 1 or more", "give such a number"
        )
    return threads


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[Result]:
    """Do some work for each item.

    Parameters
    ----------
    work : callable
        Takes an item; safe to run in several threads at once.
    items : iterable
        What is worked on.
    threads : int
        How many work at the same time. With 1, and inside of such work, the caller's own does.

    Yields
    ------
    object
        What `work` returned, in the order of the items.

    Raises
    ------
    Exception
        The first, by order of the items, that `work` raised; the rest is stopped then.

    Examples
    --------
    >>> list(in_order(str, [3, 1, 2], threads=2))
    ['3', '1', '2']
    """
    if threads == 1 or hasattr(_here, "stop"):
        yield from map(work, items)
        return
    stop = threading.Event()
    pool = ThreadPoolExecutor(threads, initializer=_enter, initargs=(stop,))
    try:
        futures = [pool.submit(work, item) for item in items]
        for future in futures:
            # A wait without an end could not be interrupted everywhere.
            while not wait([future], timeout=_LOOK_S).done:
                pass
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _enter(stop: threading.Event) -> None:
    """Let a thread know what ends it."""
    _here.stop = stop


def watched(progress: Progress | None) -> Progress | None:
    """Add the end of the others to a progress function, in a thread of `in_order`.

    Parameters
    ----------
    progress : callable or None
        Called with the virtual time.

    Returns
    -------
    callable or None
        A function that raises `Stopped` once the work is to end; `progress` itself elsewhere.
    """
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop is None:
        return progress

    def look(t_ns: int) -> None:
        if stop.is_set():
            raise Stopped
        if progress is not None:
            progress(t_ns)

    return look
