"""The engine in plain Python: slow, short, and the specification of the compiled one.

Every module stands for a part of QEMU and names it. Tests demand that `migkit._engine` gives the
same recording, value for value.
"""

from __future__ import annotations

from typing import Any

from migkit.oracle import loop, timeline
from migkit.oracle.recording import recording
from migkit.oracle.world import World


def run(plan: Any) -> dict[str, Any]:
    """Simulate one migration page by page.

    Parameters
    ----------
    plan : migkit.plan.Plan
        Resolved inputs.

    Returns
    -------
    dict
        The recording: tables of int64 columns, events, counters, outcome.
    """
    w = World(plan)
    loop.setup(w)
    while not w.finished:
        loop.turn(w)
    timeline.answer_the_rest(w)
    return recording(w)


__all__ = ["run"]
