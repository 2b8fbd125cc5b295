"""How a destination behaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from migkit.errors import InputError

from .faults import FaultPattern

__all__ = ["SILENCE_S", "ReceiveSettings"]

SILENCE_S = 3600.0
"""Longest silence where it is not told."""
_LONGEST_S = 10_000_000


_MOST_CHANNELS = 255
"""Of QEMU's multifd-channels, migration/options.c."""


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _silent(text: str) -> None:
    pass


@dataclass(frozen=True)
class ReceiveSettings:
    """How a destination behaves.

    Attributes
    ----------
    faults : FaultPattern or None
        What is asked for in postcopy; None asks for nothing.
    seed : int
        Of patterns with chance.
    switchover_ack : bool
        QEMU's capability: the source waits for that message.
    multifd_channels : int or None
        How many come; told by what has come if None.
    most_ram_bytes : int
        More RAM than this is refused before it is allocated. Beside it a source makes this end
        hold 256 MiB of device state at most, and of each channel the record that is being read.
    wait_s : float or None
        For how long the source is waited for.
    silence_s : float or None
        For how long nothing may come on any channel once the source is connected; None for ever.
        A source that pauses before the switchover says nothing until its user lets it go on, so
        an hour is allowed where it is not told.
    recover_s : float or None
        For how long a paused postcopy waits to be resumed; 0 for not at all.
    run : bool
        Let a guest of `migkit.live.guest` run on here; it asks for the pages that it touches.
    warn : callable
        Gets a line for what does not end the migration.
    """

    faults: FaultPattern | None = None
    seed: int = 0
    switchover_ack: bool = False
    multifd_channels: int | None = None
    most_ram_bytes: int = 0
    wait_s: float | None = None
    silence_s: float | None = SILENCE_S
    recover_s: float | None = None
    run: bool = False
    warn: Callable[[str], None] = _silent

    def __post_init__(self) -> None:
        """Check the limits; take this machine's memory where no bound is told."""
        number = self.multifd_channels
        if number is not None and not 1 <= number <= _MOST_CHANNELS:
            raise InputError.of(
                f"multifd_channels {number}",
                f"allowed 1..{_MOST_CHANNELS}",
                "give the source's multifd-channels, or leave it out",
            )
        if self.silence_s is not None and not 0 < self.silence_s <= _LONGEST_S:
            raise InputError.of(
                f"silence of {self.silence_s} s",
                f"allowed more than 0 s, up to {_LONGEST_S} s, or None for no limit",
                f"leave it out for {SILENCE_S:g} s",
            )
        if not self.most_ram_bytes:
            object.__setattr__(self, "most_ram_bytes", _machine_memory())
