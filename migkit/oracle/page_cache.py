"""State of xbzrle: the page cache, what is in its copies, and the counters of query-migrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migkit.oracle import xbzrle_rules as rules
from migkit.oracle.content import COUNT, DELTA, Outcome
from migkit.oracle.draws import counter
from migkit.oracle.page_copy import PageCopy
from migkit.oracle.program_pages import ProgramPages


@dataclass
class Entry:
    """One entry of the cache: whose copy it is, and at which sync it was last touched."""

    address: int
    age: int
    copy: PageCopy


class PageCache:
    """The cache and its counters.

    Parameters
    ----------
    plan : migkit.plan.Plan
        With ``xbzrle``.
    """

    def __init__(self, plan: Any) -> None:
        self.planned = plan.xbzrle
        self.cache_pages = plan.xbzrle.cache_pages
        self.entries: dict[int, Entry] = {}
        self.copies = 0
        self.program: ProgramPages | None = None
        if COUNT in plan.content.writes[0].kinds:
            self.program = ProgramPages(plan.workload, plan.workload_lead_ns)
        self.started = False  # from the second sweep on
        self.last_stage = False
        self.hits = self.misses = self.overflows = self.encoded_bytes = 0
        self.target_pages = 0  # found in passes, not at the end: rates are told by these
        self.miss_rate = self.encoding_rate = 0.0
        self._before = (0, 0, 0, 0)

    # --- migration/page_cache.c ---

    def find(self, address: int, generation: int) -> Entry | None:
        """Return the entry of a page, which is fresh again, or None."""
        entry = self.entries.get(rules.cache_position(address, self.cache_pages))
        if entry is None or entry.address != address:
            return None
        entry.age = generation
        return entry

    def insert(self, address: int, generation: int, page: int, data_bytes: int) -> int:
        """Copy a page into the cache; return what it costs, 0 if a fresh one is in the way."""
        position = rules.cache_position(address, self.cache_pages)
        entry = self.entries.get(position)
        if entry is not None and entry.address != address:
            if not rules.replaceable(entry.age, generation):
                return 0
        self.entries[position] = Entry(address, generation, self.copy(page, data_bytes))
        costs = self.planned.costs
        return int(costs.copy_ns if entry is not None else costs.first_copy_ns)

    def copy(self, page: int, data_bytes: int) -> PageCopy:
        """Copy a page as it is now."""
        self.copies += 1
        key = counter(self.planned.delta_key, self.copies)
        return PageCopy(key, data_bytes, self.real(page))

    def real(self, page: int) -> bytes | None:
        """Return what is in a page, if that is known."""
        return None if self.program is None else self.program.page(page)

    def resize(self, size_bytes: int) -> None:
        """Change the size: another cache, an empty one."""
        if size_bytes // 4096 != self.cache_pages:
            self.cache_pages = size_bytes // 4096
            self.entries = {}

    # --- what the guest does to its pages; those it writes are in the first block ---

    def written(self, page: int, outcome: Outcome, number: int) -> None:
        """Note a write of the workload."""
        if outcome.kind == COUNT:
            assert self.program is not None
            self.program.store(page, number)
        copy = self._copy_of(page)
        if copy is None:
            return
        if outcome.kind == DELTA:
            copy.change(outcome.places, outcome.place_bytes)
        elif outcome.kind != COUNT:
            copy.fill()

    def touched(self, page: int) -> None:
        """Note that the guest ran, for a page that is written all the time."""
        copy = self._copy_of(page)
        if copy is not None:
            copy.touch()

    def _copy_of(self, page: int) -> PageCopy | None:
        entry = self.entries.get(rules.cache_position(page, self.cache_pages))
        return entry.copy if entry is not None and entry.address == page else None

    # --- migration/ram.c migration_update_rates ---

    def update_rates(self) -> None:
        """Tell the rates of a period of the dirty-bitmap syncs."""
        now = (self.target_pages, self.misses, self.hits, self.encoded_bytes)
        pages, misses, hits, encoded = (a - b for a, b in zip(now, self._before, strict=True))
        self.miss_rate = rules.cache_miss_rate(misses, pages, self.miss_rate)
        self.encoding_rate = rules.encoding_rate(hits, encoded, pages, self.encoding_rate)
        self._before = now if pages else (now[0], *self._before[1:])
