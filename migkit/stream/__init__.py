"""QEMU's migration stream, read from its bytes: no trace points, any version of QEMU.

`read_stream` gives a `Stream`: sections and their pages by kind, rounds, commands, multifd
packets, mapped-ram, the return path and the state of devices. `page_history` tells when each page
was sent, `recorded_writes` makes a workload of it. `Walker` follows a migration while its bytes
come.
"""

from __future__ import annotations

from .history import page_history, recorded_writes
from .reading import read_stream
from .stream import Stream
from .walker import Walker

__all__ = ["Stream", "Walker", "page_history", "read_stream", "recorded_writes"]
