"""Copies of the channels in files, up to a limit."""

from __future__ import annotations

import threading
from typing import BinaryIO

__all__ = ["Spool"]


class Spool:
    """Writes copies while there is room.

    Parameters
    ----------
    limit : int
        Bytes of all files.

    Attributes
    ----------
    errors : list of str
        Why recording ended early, if it did.
    """

    def __init__(self, limit: int) -> None:
        self.errors: list[str] = []
        self._left = limit
        self._lock = threading.Lock()

    def write(self, file: BinaryIO, data: memoryview) -> None:
        """Append to a file, unless recording has ended."""
        with self._lock:
            if self.errors:
                return
            if len(data) > self._left:
                self.errors.append("recording ended: the files have as many bytes as they may")
                return
            self._left -= len(data)
        try:
            file.write(data)
        except OSError as error:
            self.errors.append(f"recording ended: {error.strerror or error}")
