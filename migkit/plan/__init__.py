"""A scenario with everything resolved: the one input of the engine and its oracle."""

from __future__ import annotations

from migkit.plan.make import make_plan, to_ns
from migkit.plan.record import Plan

__all__ = ["Plan", "make_plan", "to_ns"]
