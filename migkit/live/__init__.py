"""One end of a real migration: a destination for a QEMU source, a source for a QEMU one."""

from __future__ import annotations

from .guest import ArenaGuest
from .receiving import Receiver, receive
from .reception import Reception
from .saved import read_saved
from .sending import Sender, Sent, send

__all__ = [
    "ArenaGuest",
    "Receiver",
    "Reception",
    "Sender",
    "Sent",
    "read_saved",
    "receive",
    "send",
]
