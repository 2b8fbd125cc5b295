"""Workloads that come from outside: recorded dirty pages or rates, and a user's own function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from migkit.errors import WorkloadError
from migkit.workloads.checks import check_rate
from migkit.workloads.patterns import Workload

__all__ = ["Callback", "RecordedPages", "RecordedRate", "recorded_from_file"]

Int64Array = npt.NDArray[np.int64]
_TIME = "t_ns"
_PAGE = "page"
_RATE = "rate_pages_per_s"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Recorded(Workload):
    """Rows of time and value, from a file or from arrays.

    Parameters
    ----------
    path : str
        CSV or Parquet file the rows come from; empty when they were given as arrays.
    t_ns : array of int64, shape (n,)
        Guest time of each row since migration started, nanoseconds, never falling.
    """

    path: str = ""
    t_ns: Int64Array = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    def __post_init__(self) -> None:
        """Check times, and make the arrays read-only."""
        super().__post_init__()
        self._freeze("t_ns")
        if self.t_ns.size == 0:
            raise WorkloadError.of(
                f"{self.kind} workload", "no rows", f"give rows of {_TIME} and a value"
            )
        if self.t_ns[0] < 0 or bool(np.any(np.diff(self.t_ns) < 0)):
            raise WorkloadError.of(
                f"{self.kind} workload: {_TIME}",
                "times fall or are negative",
                f"sort the rows by {_TIME}, from 0 ns up",
            )

    def _freeze(self, name: str) -> None:
        try:
            array = np.array(getattr(self, name), dtype=np.int64).reshape(-1)
        except (TypeError, ValueError, OverflowError):
            raise WorkloadError.of(
                f"{self.kind} workload: {name}", "not whole numbers", "give int64 values"
            ) from None
        if name != "t_ns" and array.shape != self.t_ns.shape:
            raise WorkloadError.of(
                f"{self.kind} workload: {array.size} values of {name}",
                f"{self.t_ns.size} values of {_TIME}",
                "give as many of both",
            )
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def __eq__(self, other: object) -> bool:
        """Compare all fields, arrays by their values."""
        if type(other) is not type(self):
            return NotImplemented
        names = [item.name for item in dataclasses.fields(self)]
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    def __hash__(self) -> int:
        """Hash what is cheap to hash."""
        return hash((self.kind, self.path, self.pages, self.base_page, self.t_ns.size))


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedPages(_Recorded):
    """Page writes as recorded: row i writes page `page[i]` at `t_ns[i]`; nothing after the last.

    Parameters
    ----------
    page : array of int64, shape (n,)
        Page within the working set, 0..`pages` − 1.
    """

    kind = "recorded-pages"

    page: Int64Array = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    def __post_init__(self) -> None:
        """Check the page numbers."""
        super().__post_init__()
        self._freeze("page")
        if self.page.min() < 0:
            raise WorkloadError.of(
                f"recorded workload: page {self.page.min()}", "allowed 0 or more", "check the file"
            )

    def within(self, memory_pages: int) -> Self:
        """Fit the recorded pages into a guest; see `Workload.within`."""
        fitted = super().within(memory_pages)
        pages = fitted.touched[1]
        if self.page.max() >= pages:
            raise WorkloadError.of(
                f"recorded workload: page {self.page.max()}",
                f"the working set has pages 0..{pages - 1}",
                "make the guest larger",
            )
        return fitted


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedRate(_Recorded):
    """A recorded dirty rate, each value from its time on; pages uniform in the working set.

    Parameters
    ----------
    rates : array of int64, shape (n,)
        Page writes in a second, from `t_ns[i]` on; 0 before the first row.
    """

    kind = "recorded-rate"

    rates: Int64Array = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    def __post_init__(self) -> None:
        """Check the rates."""
        super().__post_init__()
        self._freeze("rates")
        for rate in (int(self.rates.min()), int(self.rates.max())):
            check_rate(self, rate)


@dataclass(frozen=True, kw_only=True)
class Callback(Workload):
    """A function of the user's own says which pages are written.

    It is called with the guest time from and to, in nanoseconds since migration started, once a
    batch and in order, and returns the pages of the working set that were written: a sequence or
    an array of integers. It must depend on nothing but its arguments, or runs do not repeat.

    Parameters
    ----------
    function : callable
        ``function(from_ns, to_ns) -> pages``.
    """

    kind = "callback"

    function: Callable[[int, int], Any]

    def __post_init__(self) -> None:
        """Check that it can be called."""
        super().__post_init__()
        if not callable(self.function):
            raise WorkloadError.of(
                f"callback workload: function {self.function!r}",
                "it cannot be called",
                "give function(from_ns, to_ns) -> pages",
            )


def recorded_from_file(path: str | Path, **common: Any) -> RecordedPages | RecordedRate:
    """Read a recorded workload.

    Parameters
    ----------
    path : str or Path
        CSV (with a header) or Parquet; columns ``t_ns`` and ``page``, or ``t_ns`` and
        ``rate_pages_per_s``.
    **common : Any
        Further fields of the workload.

    Returns
    -------
    RecordedPages or RecordedRate
        By the second column.

    Raises
    ------
    WorkloadError
        If the file cannot be read or lacks a column.
    """
    columns = _read_columns(Path(path))
    values: dict[str, Any] = {"path": str(path), "t_ns": columns.get(_TIME)}
    if _TIME in columns and _PAGE in columns:
        return RecordedPages(**values, page=columns[_PAGE], **common)
    if _TIME in columns and _RATE in columns:
        return RecordedRate(**values, rates=columns[_RATE], **common)
    raise WorkloadError.of(
        f"recorded workload {path}",
        f"columns {', '.join(map(str, columns)) or 'none'}",
        f"give {_TIME} and {_PAGE}, or {_TIME} and {_RATE}",
    )


def _read_columns(path: Path) -> dict[str, Any]:
    """Read a table; pandas is imported only here, where it is needed."""
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, comment="#")
    except (OSError, ValueError, ImportError) as error:
        raise WorkloadError.of(
            f"recorded workload {path}", f"cannot be read: {error}", "give a CSV or Parquet file"
        ) from None
    return {str(name): frame[name].to_numpy() for name in frame.columns}
