"""A migration as a user asks for it, checked before any work starts."""

from migkit.scenario.scenario import RULES, Scenario

__all__ = ["RULES", "Scenario"]
