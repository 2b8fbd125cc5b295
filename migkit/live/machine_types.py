"""What the version of a machine type decides, at either end."""

from __future__ import annotations

import re

__all__ = ["waits_for_ack"]


def waits_for_ack(machine: str) -> bool:
    """Tell whether a source with switchover-ack waits though no device asks for it.

    Machine types from 11.1 on do not, and fail where an acknowledgement comes that nobody asked
    for: seen with QEMU 11.1.3.

    Examples
    --------
    >>> waits_for_ack("pc-i440fx-11.0"), waits_for_ack("pc-q35-11.1"), waits_for_ack("none")
    (True, False, True)
    """
    told = re.search(r"-(\d+)\.(\d+)$", machine)
    return told is None or (int(told[1]), int(told[2])) < (11, 1)
