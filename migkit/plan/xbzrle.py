"""The capability xbzrle, resolved."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from migkit.guest.ram_block import PAGE_BYTES
from migkit.host.xbzrle_costs import XbzrleCosts
from migkit.oracle.draws import stream_key

if TYPE_CHECKING:
    from migkit.scenario import Scenario

__all__ = ["PlannedXbzrle", "plan_xbzrle"]

_DELTA_STREAM = 0x64656C74
_BLOCK_PAGES = 64


@dataclass(frozen=True)
class PlannedXbzrle:
    """Inputs of xbzrle.

    Attributes
    ----------
    cache_pages : int
        Entries of the page cache, a power of two.
    ram_starts : tuple of int
        Page number in the guest's RAM addresses at which each block starts: the cache counts in
        these. Blocks lie one behind the other, on multiples of 64 pages (system/physmem.c,
        find_ram_offset).
    delta_key : int
        Of the draws that say which bytes of a page have changed, where writes do not tell it.
    costs : XbzrleCosts
        Of the host.
    """

    cache_pages: int
    ram_starts: tuple[int, ...]
    delta_key: int
    costs: XbzrleCosts


def plan_xbzrle(scenario: Scenario) -> PlannedXbzrle | None:
    """Resolve the capability.

    Parameters
    ----------
    scenario : Scenario
        The scenario.

    Returns
    -------
    PlannedXbzrle or None
        None where xbzrle is off.
    """
    if "xbzrle" not in scenario.capabilities:
        return None
    rooms = [-(-block.pages // _BLOCK_PAGES) * _BLOCK_PAGES for block in scenario.guest.ram_blocks]
    return PlannedXbzrle(
        cache_pages=scenario.parameters.xbzrle_cache_size_bytes // PAGE_BYTES,
        ram_starts=(0, *accumulate(rooms[:-1])),
        delta_key=stream_key(scenario.guest.content.seed, _DELTA_STREAM),
        costs=scenario.host.xbzrle,
    )
