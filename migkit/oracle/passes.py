"""Passes of the migration thread's loop: what one did, for the recording."""

from __future__ import annotations

from migkit.oracle.codes import Decision
from migkit.oracle.world import World


class Pass:
    """A pass that begins now.

    Parameters
    ----------
    w : World
        The migration.
    """

    def __init__(self, w: World) -> None:
        w.t += w.plan.host.pass_ns
        self.world = w
        self.started_ns = w.t
        self.state = w.state
        self.in_postcopy = w.in_postcopy
        self.before = (w.transferred, w.normal_pages, w.zero_pages)

    def record(self, estimate: int, exact: int, threshold: int, decision: Decision) -> None:
        """Append a row to the iterations."""
        w = self.world
        self.world.tables["iterations"].append(
            (
                self.started_ns,
                int(self.state),
                int(self.in_postcopy),
                estimate,
                exact,
                threshold,
                int(decision),
                w.t,
                w.transferred - self.before[0],
                w.normal_pages - self.before[1],
                w.zero_pages - self.before[2],
            )
        )
