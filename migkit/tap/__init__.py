"""A relay between two QEMUs that counts what passes, and can hold it back, delay or cut it."""

from __future__ import annotations

from .cuts import Cut, parse_cut
from .outage import Outage, parse_outages
from .result import TapResult
from .tap import Tap

__all__ = ["Cut", "Outage", "Tap", "TapResult", "parse_cut", "parse_outages"]
