"""What a plan says about postcopy beyond capabilities that every part of the engine asks for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PostcopyPlan"]


@dataclass(frozen=True)
class PostcopyPlan:
    """Resolved inputs of the accounting of a postcopy run.

    Attributes
    ----------
    blocktime : bool
        Capability postcopy-blocktime: the destination tells how long vCPUs waited.
    blocktime_in_ns : bool
        The accounting since 10.1; before, milliseconds and the last fault of each vCPU.
    clock_drawn : bool
        Whether the phase of QEMU's millisecond clock is drawn with the noise. If not, the
        downtime of a postcopy run is the likelier of the two values that it can have.
    """

    blocktime: bool
    blocktime_in_ns: bool
    clock_drawn: bool
