"""What multifd's compression methods make of guest pages, and how long they take."""

from __future__ import annotations

from migkit.compression.table import Cost, cost_of, levels_of

__all__ = ["Cost", "cost_of", "levels_of"]
