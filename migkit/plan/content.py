"""What is in the guest's pages, resolved: classes of pages by number, shares as whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from migkit.guest.ram_block import PAGE_BYTES
from migkit.guest.writes import CHANGES, Change
from migkit.oracle.draws import stream_key
from migkit.workloads import HotCold, Sequential, Uniform
from migkit.workloads.phased import Phases

if TYPE_CHECKING:
    from migkit.guest import Guest
    from migkit.workloads import Workload

__all__ = ["PlannedContent", "PlannedWrites", "plan_content"]

_PAGES_STREAM = 0x70616765
_WRITES_STREAM = 0x77726974
"""Keep these draws apart from all others of the same seed."""
_ALWAYS_DIRTY_BYTES = 8
_WHOLE = 1 << 32
_COUNT = Change("delta", places=1, place_bytes=4)
"""The running count, in pages that are not those of the captures' guest."""


@dataclass(frozen=True)
class PlannedWrites:
    """Outcomes of the writes of one program; write n, from 1 on, draws number n of `key`.

    Attributes
    ----------
    key : int
        Of the draws, 32 bits each.
    limits : tuple of int
        The draw below limit i, and not below the one before, has outcome i.
    kinds, classes, places, place_bytes : tuple of int
        Position in `migkit.guest.writes.CHANGES`; class after a fill; size of a delta.
    """

    key: int
    limits: tuple[int, ...]
    kinds: tuple[int, ...]
    classes: tuple[int, ...]
    places: tuple[int, ...]
    place_bytes: tuple[int, ...]


@dataclass(frozen=True)
class PlannedContent:
    """Classes of pages, and which page is of which class when migration starts.

    Attributes
    ----------
    class_bytes : tuple of int
        Data bytes of the pages of each class; class 0 is that of zero pages.
    key, run_pages : int
        Run n of so many pages of the first block draws number n, 32 bits.
    limits, classes : tuple of int
        The draw below limit i, and not below the one before, has class i of `classes`.
    extents : tuple of (int, int, int)
        First page, number of pages, class; only the pages that hold data are meant.
    other_class, sparse_class : int
        Class of the data in the other blocks; of a zero page that a delta has been written to.
    writes : tuple of PlannedWrites
        Of the workload, or of each of its phases.
    moves : bool
        Whether a write may change the class of a page.
    """

    class_bytes: tuple[int, ...]
    key: int
    run_pages: int
    limits: tuple[int, ...]
    classes: tuple[int, ...]
    extents: tuple[tuple[int, int, int], ...]
    other_class: int
    sparse_class: int
    writes: tuple[PlannedWrites, ...]
    moves: bool


def plan_content(guest: Guest, workload: Workload) -> PlannedContent:
    """Resolve what is in the pages and what is written into them.

    Parameters
    ----------
    guest : Guest
        The guest.
    workload : Workload
        Fitted into it.

    Returns
    -------
    PlannedContent
        Its classes are numbered by their data bytes, least first.
    """
    parts = _parts(workload)
    changes = [c for part in parts if _writes(part) for c, share in part.writes.shares if share]
    content = guest.content
    shares = [(data, share) for data, share in content.shares if share]
    kinds = {data for data, _ in shares} | {data for *_, data in content.extents}
    kinds |= {change.data_bytes for change in changes if change.kind == "fill"}
    kinds |= {PAGE_BYTES}
    several = len(kinds - {0}) > 1 and any(change.kind == "fill" for change in changes)
    zeros = _zeros_written(guest, parts) or any(_zeroes(change) for change in changes)
    sparse = max([_ALWAYS_DIRTY_BYTES, *map(_delta_bytes, changes)])
    class_bytes = tuple(sorted(kinds | {0} | ({sparse} if zeros else set())))
    return PlannedContent(
        class_bytes=class_bytes,
        key=stream_key(content.seed, _PAGES_STREAM),
        run_pages=content.run_pages,
        limits=_limits([share for _, share in shares]),
        classes=tuple(class_bytes.index(data) for data, _ in shares),
        extents=tuple((first, n, class_bytes.index(data)) for first, n, data in content.extents),
        other_class=class_bytes.index(PAGE_BYTES),
        sparse_class=class_bytes.index(sparse) if zeros else 0,
        writes=tuple(
            _planned(part, source, class_bytes, exact=_exact(guest, workload))
            for source, part in enumerate(parts)
        ),
        moves=zeros or several,
    )


def _parts(workload: Workload) -> list[Workload]:
    if isinstance(workload, Phases):
        return [phase.workload for phase in workload.phases]
    return [workload]


def _writes(part: Workload) -> bool:
    """Whether a program writes at all."""
    return part.rate_pages_per_s > 0 or part.kind.startswith(("recorded", "callback"))


def _zeroes(change: Change) -> bool:
    return change.kind == "fill" and change.data_bytes == 0


def _delta_bytes(change: Change) -> int:
    """Count the data bytes of a page of zeros after a delta."""
    if change.kind == "count":
        return 4
    return min(change.places * change.place_bytes, PAGE_BYTES)


def _zeros_written(guest: Guest, parts: list[Workload]) -> bool:
    """Whether something may be written into a page that is zero when migration starts."""
    spans = [part.touched for part in parts if _writes(part)]
    spans += [(page, 1) for page in guest.always_dirty_pages]
    if spans and guest.content.has_zero_pages:
        return True
    return not all(_within(span, guest.ram_blocks[0].nonzero) for span in spans)


def _within(span: tuple[int, int], extents: tuple[tuple[int, int], ...]) -> bool:
    first, count = span
    return any(start <= first and first + count <= start + n for start, n in extents)


def _planned(
    part: Workload, source: int, class_bytes: tuple[int, ...], *, exact: bool
) -> PlannedWrites:
    shares = [(change, share) for change, share in part.writes.shares if share]
    changes = [change if exact or change.kind != "count" else _COUNT for change, _ in shares]
    fills = [c.data_bytes if c.kind == "fill" else 0 for c in changes]
    return PlannedWrites(
        key=stream_key(part.seed, _WRITES_STREAM + source),
        limits=_limits([share for _, share in shares]),
        kinds=tuple(CHANGES.index(change.kind) for change in changes),
        classes=tuple(class_bytes.index(data) if data in class_bytes else 0 for data in fills),
        places=tuple(change.places for change in changes),
        place_bytes=tuple(change.place_bytes for change in changes),
    )


def _exact(guest: Guest, workload: Workload) -> bool:
    """Whether the pages are those of the captures' guest, byte for byte."""
    kind = isinstance(workload, Sequential | Uniform | HotCold)
    return kind and workload.generator == "xorshift32" and guest.vcpus == 1


def _limits(shares: list[float]) -> tuple[int, ...]:
    """Turn percentages into limits of a draw of 32 bits; the last one is 2^32."""
    limits = [round(share * _WHOLE / 100) for share in accumulate(shares)]
    return (*limits[:-1], _WHOLE)
