"""The twin against reality: predict every capture from its scenario alone, then compare.

Five modules in one direction: `folders` finds the captures, `observed` reduces a migration to the
compared values, `twin` predicts them, `comparison` holds the two beside each other and
sums up, by the rule of `likeness`.
"""

from __future__ import annotations

from migkit.validate.comparison import Comparison, Validation
from migkit.validate.folders import find_captures
from migkit.validate.run import compare_capture, validate
from migkit.validate.table import validation_table

__all__ = [
    "Comparison",
    "Validation",
    "compare_capture",
    "find_captures",
    "validate",
    "validation_table",
]
