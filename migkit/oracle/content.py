"""What is in each page of the source's guest now: its class, and what a write makes of it.

The classes are those of :class:`migkit.plan.content.PlannedContent`; class 0 is a page of zeros.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from migkit.oracle.draws import counter

FILL, DELTA, COUNT = range(3)


@dataclass(frozen=True)
class Outcome:
    """What one write does: ``kind`` is FILL, DELTA or COUNT."""

    kind: int
    new_class: int
    places: int
    place_bytes: int


class PageContent:
    """Classes of all pages.

    Parameters
    ----------
    plan : migkit.plan.Plan
        Its ``content``, blocks and extents of data.
    """

    def __init__(self, plan: Any) -> None:
        self.content = plan.content
        self.classes = bytearray(sum(plan.block_pages))
        for first, count in plan.nonzero_extents:
            for page in range(first, first + count):
                self.classes[page] = self._first_class(page, plan.block_pages[0])

    def _first_class(self, page: int, memory_pages: int) -> int:
        """Return the class of a page that holds data when migration starts."""
        if page >= memory_pages:
            return int(self.content.other_class)
        for first, count, fixed in reversed(self.content.extents):
            if first <= page < first + count:
                return int(fixed)
        draw = counter(self.content.key, page // self.content.run_pages) >> 32
        return int(self.content.classes[bisect_right(self.content.limits, draw)])

    def is_zero(self, page: int) -> bool:
        """Whether a page holds nothing but zeros now."""
        return self.classes[page] == 0

    def data_bytes(self, page: int) -> int:
        """Return how many bytes of a page cannot be compressed now."""
        return int(self.content.class_bytes[self.classes[page]])

    def write(self, page: int, source: int, number: int) -> Outcome:
        """Write into a page: write `number` of program `source`; return what it did."""
        writes = self.content.writes[source]
        which = bisect_right(writes.limits, counter(writes.key, number) >> 32)
        if writes.kinds[which] == FILL:
            self.classes[page] = writes.classes[which]
        else:
            self.touch(page)
        return Outcome(
            writes.kinds[which],
            writes.classes[which],
            writes.places[which],
            writes.place_bytes[which],
        )

    def touch(self, page: int) -> None:
        """Write a little into a page: it is no page of zeros any more."""
        if self.classes[page] == 0:
            self.classes[page] = self.content.sparse_class
