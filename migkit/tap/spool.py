"""Copies of the channels in files, up to a limit."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

from migkit.errors import InputError

__all__ = ["Spool", "free_folder", "make_folder"]


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


def free_folder(folder: Path) -> Path:
    """Check the folder of the copies.

    Raises
    ------
    InputError
        If it holds something.
    """
    found = "is a file" if folder.is_file() else "holds something"
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError.of(f"record {folder}", found, "name a new or an empty folder")
    return folder


def make_folder(folder: Path | None) -> None:
    """Make the folder of the copies, where copies are kept.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.of(
            f"record {folder}", error.strerror or str(error), "name a folder that can be made"
        ) from None
