"""How fast the engine is here: held against its oracle and against NumPy, at equal results."""

from __future__ import annotations

from .run import benchmark

__all__ = ["benchmark"]
