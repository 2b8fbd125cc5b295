"""Running what is asynchronous in a thread, so that an interruption ends it in order."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["in_thread"]

_LOOKS_EVERY_S = 0.2
_CANCELS_EVERY_S = 5.0
_Result = TypeVar("_Result")


def in_thread(make: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a coroutine in a thread of its own, so that a notebook's loop is no hindrance.

    An interruption cancels it, and is passed on when everything it started has ended.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task: asyncio.Task[_Result] = loop.create_task(make())
    # A thread that was joined when a signal came counts as ended in Python up to 3.12.
    ended = threading.Event()

    def work() -> None:
        try:
            results.append(loop.run_until_complete(task))
        except BaseException as error:
            errors.append(error)
        finally:
            loop.close()
            ended.set()

    thread = threading.Thread(target=work, name="migkit lab")
    try:
        thread.start()
        # A signal that comes just before a wait begins does not end it: Python's handler runs when
        # it is over. So none is long.
        while not ended.wait(_LOOKS_EVERY_S):
            pass
    except BaseException:
        _cancel(loop, task)
        # If it has not begun, it is cancelled before it does. Once more where one was lost.
        while thread.is_alive() and not ended.wait(_CANCELS_EVERY_S):
            _cancel(loop, task)
        raise
    if errors:
        raise errors[0]
    return results[0]


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(task.cancel)
