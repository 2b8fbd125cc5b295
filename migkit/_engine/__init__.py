"""The compiled engine: `migkit.oracle` at a few nanoseconds a page.

It knows pages, bytes and nanoseconds. Strings, units and errors live above it.
"""

from __future__ import annotations

from migkit._engine.loop import run

__all__ = ["run"]
