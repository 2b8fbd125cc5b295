"""What happens, as QEMU's trace events: frames of the migration are made of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from migkit.trace import EventLog
from migkit.trace.registry import render

__all__ = ["Trail"]


class Trail:
    """The events of the source, with the time since the migration was asked for."""

    def __init__(self) -> None:
        self.epoch_ns = time.time_ns()
        self._began_ns = time.monotonic_ns()
        self._lines: list[tuple[int, str]] = []

    def now_ns(self) -> int:
        """Return nanoseconds since the migration was asked for."""
        return time.monotonic_ns() - self._began_ns

    def add(self, event: str, **arguments: Any) -> None:
        """Write down an event; any thread may."""
        self._lines.append((self.now_ns(), render(event, arguments)))

    def log(self) -> EventLog:
        """Return all events so far, by time."""
        lines = sorted(self._lines, key=lambda line: line[0])
        messages: dict[str, int] = {}
        index = [messages.setdefault(text, len(messages)) for _, text in lines]
        return EventLog(
            side="source",
            t_ns=np.array([at for at, _ in lines], np.int64),
            message_index=np.array(index, np.int64),
            messages=list(messages),
            form="iso",
            epoch_ns=self.epoch_ns,
        )
