"""What a real pair is started with, and what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migkit.lab.failures import Failures
from migkit.network import Link

if TYPE_CHECKING:
    from migkit.lab.qemus import Qemu
    from migkit.scenario.timeline import TimelineItem

__all__ = ["Observed", "Pair"]


@dataclass
class Pair:
    """What a pair is started with.

    Parameters
    ----------
    source, dest : Qemu
        The programs.
    words : sequence of str
        What both are started with: accelerator and guest.
    own_words : mapping of str to sequence of str
        What ``source`` and ``dest`` are started with besides: machine and memory.
    before : mapping of str to sequence of str
        Words that stand before the program's, where it needs them.
    ready : str
        What the guest prints when it may be migrated; nothing waits for it if empty.
    lead_s : float
        How long it runs before ``migrate``, seconds.
    tap : bool
        Whether the stream passes through a `migkit.tap.Tap`, which counts it.
    link : Link
        What it puts between the two.
    file : str
        File that the migration goes to, and that the destination is given once it is whole; empty
        for a migration over the network.
    failures : Failures
        What goes wrong.
    timeline : tuple of TimelineItem
        Commands and their moments.
    seed : int
        Of the link's draws.
    """

    source: Qemu
    dest: Qemu
    words: Sequence[str]
    ready: str = "ready"
    lead_s: float = 1.0
    tap: bool = False
    link: Link = field(default_factory=Link)
    file: str = ""
    failures: Failures = field(default_factory=Failures)
    timeline: tuple[TimelineItem, ...] = ()
    seed: int = 1
    own_words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def unreached(self) -> bool:
        """Whether the source does not reach the destination: nothing listens, or a file."""
        absent = self.failures.destination == "absent"
        return bool(self.file) or absent or _fails_to_connect(self.timeline)


def _fails_to_connect(timeline: tuple[TimelineItem, ...]) -> bool:
    return any(item.command == "connect-failure" for item in timeline)


@dataclass
class Observed:
    """What was seen of a migration, as the captures' files name it."""

    result: dict[str, Any] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    polls: list[dict[str, Any]] = field(default_factory=list)
    ram_blocks: list[dict[str, Any]] = field(default_factory=list)
    observed_for_s: float | None = None
