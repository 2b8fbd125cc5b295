"""A relay between two QEMUs that counts what passes, and can hold it back or cut it."""

from __future__ import annotations

from .cuts import Cut, parse_cut
from .result import TapResult
from .tap import Tap

__all__ = ["Cut", "Tap", "TapResult", "parse_cut"]
