"""QEMU's trace logs: reading and writing them in every form, over every version.

`read_log` gives an `EventLog`, `write_log` gives the lines back. Nothing here knows about
frames of migrations; `migkit.results` derives those from an `EventLog`.
"""

from __future__ import annotations

from .eventlog import NO_TIME, EventLog
from .reader import read_log
from .writer import write_log

__all__ = ["NO_TIME", "EventLog", "read_log", "write_log"]
