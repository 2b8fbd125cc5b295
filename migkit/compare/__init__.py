"""Two runs beside each other: the first pass at which they part, by how much, and in what.

Four modules in one direction: `runs` reads what is named, `beside` aligns the frames of both,
`partings` finds where they part, `comparison` is what a user gets, with `words` to say it.
"""

from __future__ import annotations

from migkit.compare.comparison import Comparison, compare
from migkit.compare.partings import Parting
from migkit.compare.runs import read_run

__all__ = ["Comparison", "Parting", "compare", "read_run"]
