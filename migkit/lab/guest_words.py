"""From a scenario to the words that the workload guest is started with.

The words and their order are those that ``program/guest.c`` reads.
"""

from __future__ import annotations

import dataclasses
import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.errors import LabError
from migkit.guest import Guest
from migkit.guest.ram_block import PAGE_BYTES
from migkit.lab.guest_program import PROGRAM_PAGES, STACK_PAGE
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Workload, Zipf
from migkit.workloads.phased import Phase, Phases

if TYPE_CHECKING:
    from migkit.guest.writes import Change, Writes
    from migkit.scenario import Scenario

__all__ = ["GuestWords", "fit_guest", "guest_words", "zipf_rows"]

_KINDS: dict[type[Workload], int] = {Sequential: 0, Uniform: 1, HotCold: 2, Zipf: 3, Idle: 4}
_CHANGES = {"fill": 0, "delta": 1, "count": 2}
_MOST_PHASES, _MOST_CLASSES, _MOST_FILLS = 8, 9, 64
_ALL = (1 << 32) - 1
_BOOT_TABLES_PAGES = 96
"""At the top of memory the firmware keeps its tables."""
_ADDRESSABLE_PAGES = 0xC0000000 // PAGE_BYTES
"""What a 32-bit program without paging reaches below the devices."""
_ONE_BY_ONE = 1024
_ROWS = 4096


@dataclass(frozen=True)
class GuestWords:
    """What the workload guest is given.

    Parameters
    ----------
    append : str
        Its command line.
    table : bytes
        Rows of page numbers, the multiboot module; empty without.
    """

    append: str
    table: bytes = b""


def fit_guest(scenario: Scenario) -> Scenario:
    """Say what of a scenario the workload guest really does.

    Its program lies in the first 4 MiB, so a working set that would begin there begins above; its
    stack is the one page that it writes besides.

    Parameters
    ----------
    scenario : Scenario
        What was asked for.

    Returns
    -------
    Scenario
        The same with memory and working set as they will be.

    Raises
    ------
    LabError
        If the program cannot write like that, or cannot reach the memory.
    """
    pages = scenario.guest.memory_bytes // PAGE_BYTES
    workload = _above_program(scenario.workload, min(pages, _ADDRESSABLE_PAGES))
    memory = Guest.pc(
        scenario.guest.memory_bytes,
        nonzero=[(STACK_PAGE, 1), *_filled(scenario, workload, pages)],
        always_dirty_pages=[STACK_PAGE],
    )
    guest = dataclasses.replace(
        memory,
        vcpus=scenario.guest.vcpus,
        content=scenario.guest.content,
        cpu_ns_per_write=scenario.guest.cpu_ns_per_write,
    )
    return dataclasses.replace(scenario, workload=workload, guest=guest)


def guest_words(scenario: Scenario, beat_ms: int = 100) -> GuestWords:
    """Write the words for a scenario that `fit_guest` gave.

    Parameters
    ----------
    scenario : Scenario
        What the guest is to do.
    beat_ms : int
        Guest time between two heartbeats, milliseconds; 0 is none.

    Returns
    -------
    GuestWords
        Command line and table.

    Raises
    ------
    LabError
        If it is more than the program can take.

    Examples
    --------
    >>> from migkit.scenario import Scenario
    >>> made = Scenario.build(memory="64MiB", workload="uniform:1000,base=1024,pages=100")
    >>> guest_words(made).append.split()[2:]
    ['phase=1,1024,100,1,0,1,1,1,0,0,0,0,0', 'write=1,1,8,4294967295']
    """
    fills = [f"fill={first},{count}" for first, count in _extents(scenario.guest)]
    if len(fills) > _MOST_FILLS:
        raise _refused(f"{len(fills)} extents of data", f"allowed {_MOST_FILLS}")
    phases: list[str] = []
    rows: list[tuple[int, int, int]] = []
    for phase in _phases(scenario.workload):
        table = zipf_rows(phase.workload) if isinstance(phase.workload, Zipf) else []
        phases.append(_phase_words(phase, len(rows), len(table)))
        rows += table
    words = [f"beat={beat_ms}", *fills, *_content_words(scenario.guest), *phases]
    return GuestWords(" ".join(words), b"".join(struct.pack("<3I", *row) for row in rows))


def zipf_rows(spec: Zipf) -> list[tuple[int, int, int]]:
    """Write a Zipf distribution as rows that a drawn 32-bit number chooses from.

    Parameters
    ----------
    spec : Zipf
        With its number of pages.

    Returns
    -------
    list of (int, int, int)
        First page, number of pages, largest number that chooses them. The first 1024 pages have
        a row each; further out neighbours share one, alike within it.
    """
    pages = int(spec.pages or 1)
    ends = np.arange(1, min(pages, _ONE_BY_ONE) + 1)
    if pages > _ONE_BY_ONE:
        steps = np.geomspace(_ONE_BY_ONE, pages, _ROWS - _ONE_BY_ONE)
        ends = np.unique(np.concatenate([ends, steps.astype(np.int64), [pages]]))
    weights = np.arange(1, pages + 1, dtype=np.float64) ** -float(spec.exponent)
    shares = np.cumsum(weights)[ends - 1]
    thresholds = np.minimum(shares / shares[-1] * _ALL, _ALL).astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    return [
        (int(start), int(end - start), int(limit))
        for start, end, limit in zip(starts, ends, thresholds, strict=True)
    ]


def _above_program(workload: Workload, memory_pages: int) -> Workload:
    """Move a working set above the program; fit it into what can be reached."""
    if isinstance(workload, Phases):
        phases = tuple(
            dataclasses.replace(phase, workload=_above_program(phase.workload, memory_pages))
            for phase in workload.phases
        )
        return dataclasses.replace(workload, phases=phases).within(memory_pages)
    if type(workload) not in _KINDS:
        raise LabError.of(
            f"lab run with a {workload.kind or type(workload).__name__} workload",
            "the guest's program follows patterns",
            f"use {', '.join(kind.kind for kind in _KINDS)} or phases",
        )
    base = max(workload.base_page, PROGRAM_PAGES)
    moved = base - workload.base_page
    room = memory_pages - base
    if room < 1:
        raise LabError.of(
            f"lab run with {memory_pages * PAGE_BYTES >> 20} MiB",
            "the workload lies above 4 MiB",
            "give the guest 16 MiB or more",
        )
    sizes = {
        name: min(value, room) if moved and value is not None else value
        for name, value in (("pages", workload.pages), ("total_pages", workload.total_pages))
    }
    generator = "xorshift32" if "xorshift32" in workload.own_generators else workload.generator
    fields: dict[str, Any] = {**sizes, "base_page": base, "generator": generator}
    return dataclasses.replace(workload, **fields).within(memory_pages)


def _filled(scenario: Scenario, workload: Workload, pages: int) -> list[tuple[int, int]]:
    """Extents that hold data: what was asked for, without program and boot tables."""
    wanted = []
    for first, count in scenario.guest.ram_blocks[0].nonzero:
        start, end = max(first, PROGRAM_PAGES), min(first + count, _ADDRESSABLE_PAGES)
        if start < end and start < pages - _BOOT_TABLES_PAGES:
            wanted.append((start, end - start))
    first, count = workload.touched
    return [*wanted, (first, count)] if count else wanted


def _extents(guest: Guest) -> list[tuple[int, int]]:
    """Extents that the program fills, in order of their pages."""
    memory = guest.ram_blocks[0]
    lowest, top = PROGRAM_PAGES, memory.pages - _BOOT_TABLES_PAGES
    return [extent for extent in memory.nonzero if extent[0] >= lowest and extent[0] < top]


def _phases(workload: Workload) -> Sequence[Phase]:
    if not isinstance(workload, Phases):
        # The program takes no end of a single phase from its duration.
        return (Phase(workload=workload, duration_ms=1),)
    if len(workload.phases) > _MOST_PHASES:
        raise _refused(f"{len(workload.phases)} phases", f"allowed {_MOST_PHASES}")
    return workload.phases


def _phase_words(phase: Phase, first_row: int, rows: int) -> str:
    spec = phase.workload
    hot = (spec.hot_pages, spec.hot_percent) if isinstance(spec, HotCold) else (0, 0)
    per_batch = Fraction(spec.rate_pages_per_s).limit_denominator(1000) * spec.batch_ms / 1000
    whole, part = divmod(per_batch.numerator, per_batch.denominator)
    duration = phase.duration_ms if phase.duration_ms > 1 else 0
    numbers = (
        *(_KINDS[type(spec)], spec.base_page, spec.pages, whole, part, per_batch.denominator),
        *(spec.batch_ms, spec.seed & _ALL, *hot, duration, first_row, rows),
    )
    written = ",".join(map(str, numbers))
    return " ".join([f"phase={written}", *_write_words(spec.writes)])


def _write_words(writes: Writes) -> list[str]:
    limits = _thresholds([share for _, share in writes.shares])
    return [
        "write=" + ",".join(map(str, (*_change(change), limit)))
        for (change, _), limit in zip(writes.shares, limits, strict=True)
    ]


def _change(change: Change) -> tuple[int, int, int]:
    first, second = change.places, change.place_bytes
    return _CHANGES[change.kind], *((first, second) if first else (change.data_bytes, 0))


def _content_words(guest: Guest) -> list[str]:
    content = guest.content
    if content.extents:
        raise _refused("content with extents of its own", "the program takes shares alone")
    if content.shares == ((PAGE_BYTES, 100),):
        return []
    if len(content.shares) > _MOST_CLASSES:
        raise _refused(f"{len(content.shares)} kinds of pages", f"allowed {_MOST_CLASSES}")
    limits = _thresholds([share for _, share in content.shares])
    classes = zip(content.shares, limits, strict=True)
    return [
        f"content={content.seed & _ALL},{content.run_pages}",
        *(f"class={data},{limit}" for (data, _), limit in classes),
    ]


def _thresholds(shares: Sequence[float]) -> list[int]:
    """Largest 32-bit number that chooses each, in order; the last takes all that is left."""
    sums = itertools.accumulate(shares)
    limits = [min(int(_ALL * total / 100), _ALL) for total in sums]
    return [*limits[:-1], _ALL]


def _refused(what: str, allowed: str) -> LabError:
    return LabError.of(f"lab run with {what}", allowed, "simplify the guest")
