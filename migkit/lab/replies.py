"""What QEMU's replies say, in the words of the captures' files."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["ABSENT", "FINAL", "is_over", "outcome_of", "progress_line", "read_blocks", "settled"]

FINAL = ("completed", "failed", "cancelled")
"""States in which a migration has ended."""
ABSENT = ("exited", "no answer")
"""What stands for the state of a QEMU that gives none."""

_BLOCK = re.compile(r"^\s*(\S+)\s+(\d+ \SiB)((?:\s+0x[0-9a-f]+){3})", re.MULTILINE)


def outcome_of(
    result: dict[str, Any], states: dict[str, Any], observed_for_s: float | None
) -> Any:
    """Say how a migration ended.

    Parameters
    ----------
    result : dict
        With ``after_cut`` if the link was cut.
    states : dict
        Last replies of both sides.
    observed_for_s : float or None
        When observation ended while it was still going on.

    Returns
    -------
    str or dict
        The source's state; after a cut those of both sides, then and at the end.
    """
    if "after_cut" in result:
        return {
            name: {side: _status(table[side]["migration"]) for side in ("source", "destination")}
            for name, table in (("after_cut", result["after_cut"]), ("final", states))
        }
    if observed_for_s is not None:
        return "active at the end of observation"
    return _status(states["source"]["migration"])


def _status(reply: Any) -> str:
    return str(reply.get("status", "none")) if isinstance(reply, dict) else str(reply)


def is_over(status: str) -> bool:
    """Tell whether a side does nothing more by itself: ended, gone, or paused in postcopy."""
    return status in (*FINAL, *ABSENT, "postcopy-paused")


def settled(source: str, dest: str, *, unreached: bool) -> bool:
    """Tell whether both sides have noticed that a migration goes no further.

    Parameters
    ----------
    source, dest : str
        Their states.
    unreached : bool
        Whether the source never reaches the destination, so that this one waits for ever.
    """
    waits = ("none", "setup") if unreached else ()
    return is_over(source) and (source == "completed" or is_over(dest) or dest in waits)


def progress_line(status: str, t_s: float, reply: dict[str, Any]) -> str:
    """Say where a migration stands.

    Parameters
    ----------
    status : str
        Its state.
    t_s : float
        Seconds since ``migrate``.
    reply : dict
        The last reply of the source.

    Returns
    -------
    str
        One line.
    """
    ram = reply.get("ram", {})
    left = ram.get("remaining", 0) / 2**20
    return (
        f"{status}  {t_s:.1f} s  sent {ram.get('transferred', 0) / 2**20:.0f} MiB, left {left:.0f}"
    )


def read_blocks(text: str) -> list[dict[str, Any]]:
    """Read QEMU's ``info ramblock``.

    Parameters
    ----------
    text : str
        What it printed.

    Returns
    -------
    list of dict
        Blocks in the order of the migration stream, as a capture's scenario.json has them.

    Examples
    --------
    >>> line = "pc.bios    4 KiB  0x0000000004020000 0x0000000000040000 0x0000000000040000 rw"
    >>> read_blocks(line)[0]["used_bytes"]
    262144
    """
    rows = []
    for name, page_size, numbers in _BLOCK.findall(text):
        _offset, used, total = (int(number, 16) for number in numbers.split())
        rows.append(
            {
                "name": name,
                "page_size_text": page_size,
                "used_bytes": used,
                "total_bytes": total,
            }
        )
    return rows
