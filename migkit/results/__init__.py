"""What a migration did, simulated or recorded: `Migration` and its frames."""

from __future__ import annotations

from .migration import Migration

__all__ = ["Migration"]
