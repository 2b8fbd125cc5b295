"""One end of a real migration: a destination for a QEMU source, a source for a QEMU one."""

from __future__ import annotations

from .sending import Sent, send

__all__ = ["Sent", "send"]
