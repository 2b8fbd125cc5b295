"""What a real pair is started with, and what was seen of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migkit.lab.qemus import Qemu
    from migkit.lab.timeline import Item

__all__ = ["Observed", "Pair"]


@dataclass
class Pair:
    """What a pair is started with.

    Parameters
    ----------
    source, dest : Qemu
        The programs.
    words : sequence of str
        Machine and guest.
    ready : str
        What the guest prints when it may be migrated; nothing waits for it if empty.
    lead_s : float
        How long it runs before ``migrate``, seconds.
    tap : bool
        Whether the stream passes through a `migkit.tap.Tap`, which counts it.
    bytes_per_s : int
        Its rate; 0 is none.
    latency_ns : int
        Its latency.
    refused : bool
        Whether nothing listens where the source connects to.
    timeline : tuple of TimelineItem or KillSource
        Commands and failures, and their moments.
    """

    source: Qemu
    dest: Qemu
    words: Sequence[str]
    ready: str = "ready"
    lead_s: float = 1.0
    tap: bool = False
    bytes_per_s: int = 0
    latency_ns: int = 0
    refused: bool = False
    timeline: tuple[Item, ...] = ()


@dataclass
class Observed:
    """What was seen of a migration, as the captures' files name it."""

    result: dict[str, Any] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    polls: list[dict[str, Any]] = field(default_factory=list)
    ram_blocks: list[dict[str, Any]] = field(default_factory=list)
    observed_for_s: float | None = None
