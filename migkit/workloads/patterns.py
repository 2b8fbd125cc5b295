"""What the guest's program writes: specifications, read by the writers of the engine.

A program works in batches of `batch_ms` of guest time; each batch dirties
``rate_pages_per_s * batch_ms / 1000`` pages (the fraction carries over) of a working set: `pages`
pages from `base_page` of the first RAM block on. The guest's clock stands still while the VM is
stopped, and missed batches are caught up. All specifications are plain frozen values.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Self

from migkit.errors import WorkloadError
from migkit.guest.writes import Writes
from migkit.workloads.checks import check_rate, check_whole

__all__ = [
    "GENERATORS",
    "HotCold",
    "Idle",
    "Sequential",
    "Uniform",
    "Workload",
    "Zipf",
]

GENERATORS: tuple[str, ...] = ("counter", "xorshift32")
"""Sources of random page numbers: ``xorshift32`` is that of the captures' guest."""

_MOST_PAGES = 1 << 52


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What all workloads have in common.

    Parameters
    ----------
    rate_pages_per_s : int or float
        Page writes in a second of guest time, 0 or more.
    pages : int or None
        Size of the working set, pages; None is all of the guest's memory from `base_page` on.
    base_page : int
        First page of the working set.
    batch_ms : int
        Guest time between two batches of writes, milliseconds, 1..60000.
    seed : int
        Seed of the random numbers, 0 or more.
    generator : {"counter", "xorshift32"}
        Source of the random numbers.
    total_pages : int or None
        Pages that the program filled with random data before it began; None is `pages`. With
        ``xorshift32`` the fill takes 1024 numbers a page from the same sequence.
    writes : Writes
        What a write leaves in its page.

    Raises
    ------
    WorkloadError
        If a value lies outside its range.
    """

    kind: ClassVar[str] = ""
    own_generators: ClassVar[tuple[str, ...]] = ("counter",)

    rate_pages_per_s: int | float = 0
    pages: int | None = None
    base_page: int = 0
    batch_ms: int = 1
    seed: int = 1
    generator: str = "counter"
    total_pages: int | None = None
    writes: Writes = field(default_factory=Writes)

    def __post_init__(self) -> None:
        """Check every value on its own."""
        if not isinstance(self.writes, Writes):
            raise WorkloadError.of(
                f"{self.kind} workload: writes {self.writes!r}",
                "not Writes",
                "use Writes.parse('delta(1x8)')",
            )
        check_rate(self, self.rate_pages_per_s)
        if self.pages is not None:
            check_whole(self, "pages", 1, _MOST_PAGES)
        if self.total_pages is not None:
            check_whole(self, "total_pages", 0, _MOST_PAGES)
        check_whole(self, "base_page", 0, _MOST_PAGES)
        check_whole(self, "batch_ms", 1, 60000)
        check_whole(self, "seed", 0, 2**63 - 1)
        if self.generator not in self.own_generators:
            raise WorkloadError.of(
                f"{self.kind} workload: generator {self.generator!r}",
                f"allowed {' or '.join(self.own_generators)}",
                "choose one of them",
            )

    def within(self, memory_pages: int) -> Self:
        """Fit the working set into a guest: nothing is left open in the result.

        Parameters
        ----------
        memory_pages : int
            Pages of the guest's first RAM block.

        Returns
        -------
        Workload
            A copy with `pages` and `total_pages` set.

        Raises
        ------
        WorkloadError
            If the working set does not fit.
        """
        pages = memory_pages - self.base_page if self.pages is None else self.pages
        total = pages if self.total_pages is None else self.total_pages
        largest = max(pages, total)
        if pages < 1 or self.base_page + largest > memory_pages:
            raise WorkloadError.of(
                f"{self.kind} workload: {largest} pages from page {self.base_page} on",
                f"the guest has {memory_pages} pages",
                "make the working set smaller, or the guest larger",
            )
        return dataclasses.replace(self, pages=pages, total_pages=total)

    def seeded(self, seed: int) -> Self:
        """Return a copy with another seed.

        Parameters
        ----------
        seed : int
            The seed, 0..2^63 - 1.

        Returns
        -------
        Workload
            The changed copy.
        """
        return dataclasses.replace(self, seed=seed)

    @property
    def touched(self) -> tuple[int, int]:
        """Extent (first page, number of pages) that holds data when migration starts."""
        if self.pages is None:
            raise WorkloadError.of(
                f"{self.kind} workload", "its working set is still open", "call within() first"
            )
        return self.base_page, max(self.pages, self.total_pages or 0)


@dataclass(frozen=True, kw_only=True)
class Idle(Workload):
    """Nothing is written: `rate_pages_per_s` is 0.

    Examples
    --------
    >>> Idle().within(1000).touched
    (0, 1000)
    """

    kind = "idle"
    own_generators = GENERATORS

    def __post_init__(self) -> None:
        """Check that it is idle."""
        super().__post_init__()
        if self.rate_pages_per_s:
            raise WorkloadError.of(
                f"idle workload: {self.rate_pages_per_s} pages/s",
                "allowed 0",
                "leave the rate out, or choose uniform",
            )


@dataclass(frozen=True, kw_only=True)
class Sequential(Workload):
    """Pages 0, 1, … `pages` − 1 of the working set in order, over and over."""

    kind = "sequential"
    own_generators = GENERATORS


@dataclass(frozen=True, kw_only=True)
class Uniform(Workload):
    """Every page of the working set with the same probability.

    Examples
    --------
    >>> Uniform(rate_pages_per_s=20000).within(131072).pages
    131072
    """

    kind = "uniform"
    own_generators = GENERATORS


@dataclass(frozen=True, kw_only=True)
class HotCold(Workload):
    """With probability `hot_percent` % one of the first `hot_pages`, else one of the others.

    Parameters
    ----------
    hot_pages : int
        Pages at the start of the working set that are hot, fewer than `pages`.
    hot_percent : int
        Share of the writes that go there, 0..100 %.
    """

    kind = "hotcold"
    own_generators = GENERATORS

    hot_pages: int
    hot_percent: int = 95

    def __post_init__(self) -> None:
        """Check the hot pages against the working set."""
        super().__post_init__()
        check_whole(self, "hot_pages", 1, _MOST_PAGES)
        check_whole(self, "hot_percent", 0, 100)
        if self.pages is not None and self.hot_pages >= self.pages:
            raise WorkloadError.of(
                f"hotcold workload: {self.hot_pages} hot pages",
                f"allowed 1..{self.pages - 1}, fewer than the {self.pages} of the working set",
                "give fewer hot pages, or a larger working set",
            )


@dataclass(frozen=True, kw_only=True)
class Zipf(Workload):
    """Page k of the working set with a probability proportional to 1 / (k + 1)^`exponent`.

    Parameters
    ----------
    exponent : float
        0 (uniform) to 10 (nearly one page).
    """

    kind = "zipf"

    exponent: float = 1.0

    def __post_init__(self) -> None:
        """Check the exponent."""
        super().__post_init__()
        if not isinstance(self.exponent, int | float) or not 0 <= self.exponent <= 10:
            raise WorkloadError.of(
                f"zipf workload: exponent {self.exponent!r}", "allowed 0..10", "try exponent=1"
            )
