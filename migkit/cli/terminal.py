"""Progress on a terminal, and nothing at all elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO


class Progress:
    """One line of the standard error stream that is overwritten; silent unless on a terminal.

    Parameters
    ----------
    stream : file, optional
        Where to write; the standard error stream by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.shown = self._stream.isatty()
        self._doing = ""
        self._since = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the last line; after an error wipe it, so that the message stands alone."""
        if kind is None:
            self._finish()
        self._write("")

    def step(self, position: int, number: int, name: str) -> None:
        """Show that one of several is being worked on."""
        self._write(f"[{position}/{number}] {name}")

    def virtual_time(self, t_ns: int) -> None:
        """Show how far a simulation is."""
        self._write(f"simulated {t_ns / 1e9:.1f} s")

    def status(self, text: str) -> None:
        """Show how something stands; the next text takes its place."""
        self._write(text)

    def say(self, text: str) -> None:
        """Finish the line of the last thing with its time, and begin a new one."""
        self._finish()
        self._doing = text
        self._since = time.monotonic()
        self._write(f"{text} …")

    def _finish(self) -> None:
        if self._doing:
            self._write(f"{self._doing}  {time.monotonic() - self._since:.1f} s", end="\n")
        self._doing = ""

    def _write(self, text: str, end: str = "") -> None:
        if self.shown:
            columns = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{text[:columns]}{end}")
            self._stream.flush()
