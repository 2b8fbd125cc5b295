"""Where a stream comes from: a file is mapped, a pipe spooled; neither is held in memory."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from migkit.errors import StreamError

from .cursor import Buffer

__all__ = ["Source", "open_buffer"]

Source = str | os.PathLike[str] | bytes | bytearray | IO[bytes]
"""A path, the bytes themselves, or an open file or pipe."""

_AT_ONCE = 1 << 20


def open_buffer(source: Source) -> tuple[str, Buffer]:
    """Give access to all bytes of a stream.

    Parameters
    ----------
    source : path, bytes, bytearray or binary file
        What cannot be mapped is copied into a temporary file first.

    Returns
    -------
    name : str
        What to call it.
    buffer : bytes, bytearray or mmap
        Its bytes.

    Raises
    ------
    StreamError
        If it cannot be read.
    """
    if isinstance(source, (bytes, bytearray)):
        return "stream", source
    try:
        if isinstance(source, (str, os.PathLike)):
            with Path(source).open("rb") as file:
                return Path(source).name, _mapped(file)
        return str(getattr(source, "name", "stream")), _mapped(source)
    except (OSError, ValueError) as error:
        shown = source if isinstance(source, (str, os.PathLike)) else "of an open file"
        reason = error.strerror if isinstance(error, OSError) else error
        raise StreamError.of(
            f"stream {shown}", f"cannot be read: {reason}", "give a file or a pipe"
        ) from None


def _mapped(file: IO[bytes]) -> Buffer:
    try:
        about = os.fstat(file.fileno())
        regular = stat.S_ISREG(about.st_mode) and file.tell() == 0
    except OSError:  # no file of the system, such as io.BytesIO
        regular = False
    if regular:
        return mmap(file.fileno(), 0, access=ACCESS_READ) if about.st_size else b""
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(file, spool, _AT_ONCE)
        spool.flush()
        return mmap(spool.fileno(), 0, access=ACCESS_READ) if spool.tell() else b""
