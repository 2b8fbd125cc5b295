"""The evidence for QEMU commit 7aaa1fc072: recorded, simulated, and asked of the rules.

`collect` makes all of it. Modules in one direction: `tail` measures the end of one migration;
`pairs`, `commit`, `cuts`, `service`, `boundaries` and `points` each make one table.
"""

from __future__ import annotations

from migkit.evidence.boundaries import boundary_table
from migkit.evidence.collect import Evidence, collect
from migkit.evidence.commit import commit_scenario, commit_table, completion_trace, simulate_commit
from migkit.evidence.cuts import cut_outcomes, unrecoverable_share_percent
from migkit.evidence.pairs import find_pairs, pairs_table
from migkit.evidence.service import service_table
from migkit.evidence.tail import Tail, completion_tail

__all__ = [
    "Evidence",
    "Tail",
    "boundary_table",
    "collect",
    "commit_scenario",
    "commit_table",
    "completion_tail",
    "completion_trace",
    "cut_outcomes",
    "find_pairs",
    "pairs_table",
    "service_table",
    "simulate_commit",
    "unrecoverable_share_percent",
]
