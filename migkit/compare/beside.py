"""The frames of two runs beside each other, row by row in the order in which things happened.

Times stand on a common clock that starts with the first pass of each run: what came before it is
the setup, which the counters compare (``setup_time_ms``). A difference is always twin minus real;
it is NA where a side cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from migkit.results import Migration
from migkit.schema import FRAMES, SUMMARY, Column

__all__ = ["ALIGNED", "ENDED", "Quantity", "counters_beside", "frame_beside", "quantities"]

ALIGNED: Final = ("iterations", "rounds", "windows")

#: States of the source after which nothing more comes.
ENDED: Final = ("completed", "failed", "cancelled", "postcopy-paused")

Judged = Literal["time", "exact", "no"]

_EXACT_UNITS: Final = ("", "bytes", "pages", "%")
_NS_OF: Final = {"ns": 1, "ms": 1_000_000}
_SENT = Column(
    "sent_bytes",
    "Int64",
    "bytes",
    "bytes of all windows that were closed before the pass",
    "trace migrate_transferred (transferred), summed",
)


@dataclass(frozen=True)
class Quantity:
    """One thing that is compared.

    Parameters
    ----------
    name, unit : str
        As in `migkit.schema`.
    judged : {"time", "exact", "no"}
        How: times within the clock's grain; bytes, pages, counts and states exactly. Rates are
        shown only, as they follow from bytes and times; so is where a pass ends, as the next
        one starts by it.
    """

    name: str
    unit: str
    judged: Judged

    def apart(self, difference: pd.Series, tolerance_ns: int) -> np.ndarray:
        """Return in which rows the sides part; nowhere where the difference is not known."""
        if self.judged == "no":
            return np.zeros(len(difference), dtype=bool)
        allowed = tolerance_ns if self.judged == "time" else 0
        known = difference.abs() * _NS_OF.get(self.unit, 1) > allowed
        return known.fillna(False).to_numpy(dtype=bool)


def quantities(frame: str) -> tuple[Quantity, ...]:
    """Return what is compared in a frame, in the order in which a pass meets it.

    Parameters
    ----------
    frame : {"iterations", "rounds", "windows", "counters"}
        The frame.

    Returns
    -------
    tuple of Quantity
        One for each column, or for each counter of `migkit.schema.SUMMARY`.
    """
    if frame == "counters":
        return tuple(Quantity(f.counter, f.unit, _judged(f.counter, f.unit)) for f in SUMMARY)
    return tuple(Quantity(c.name, c.unit, _judged(c.name, c.unit)) for c in _columns(frame))


def _judged(name: str, unit: str) -> Judged:
    if name == "end_ns":
        return "no"
    return "time" if unit in _NS_OF else "exact" if unit in _EXACT_UNITS else "no"


def _columns(frame: str) -> tuple[Column, ...]:
    columns = FRAMES[frame]
    if frame != "iterations":
        return columns
    # Known of recordings too, where what a single pass sent is not.
    return (columns[0], _SENT, *columns[1:])


def frame_beside(real: Migration, twin: Migration, frame: str, tolerance_ns: int) -> pd.DataFrame:
    """Lay a frame of both runs side by side.

    Parameters
    ----------
    real, twin : Migration
        The runs.
    frame : {"iterations", "rounds", "windows"}
        Which frame.
    tolerance_ns : int
        How far apart times may be.

    Returns
    -------
    DataFrame
        For each column ``X`` of `migkit.schema.FRAMES` the columns ``X_real``, ``X_twin`` and
        ``X_difference``, and last ``parts``: the first column that parts in the row, ``rows``
        where only one side has the row, NA where they agree. ``iterations`` has ``sent_bytes``
        in addition.
    """
    sides = {"real": _side(real, frame), "twin": _side(twin, frame)}
    count = max(len(table) for table in sides.values())
    grown = {side: table.reindex(range(count)) for side, table in sides.items()}
    starts = {"real": _first_pass_ns(real), "twin": _first_pass_ns(twin)}
    shown: dict[str, Any] = {}
    parts = pd.Series([None] * count, dtype="str")
    for quantity in reversed(quantities(frame)):
        name = quantity.name
        own = {side: table[name] for side, table in grown.items()}
        clock = {s: _on_clock(own[s], starts[s]) if quantity.unit == "ns" else own[s] for s in own}
        difference = _difference(clock["real"], clock["twin"])
        parts[quantity.apart(difference, tolerance_ns)] = name
        shown = {
            f"{name}_real": own["real"],
            f"{name}_twin": own["twin"],
            f"{name}_difference": difference,
        } | shown
    parts[_rows_on_one_side(sides, (real, twin), count)] = "rows"
    return pd.DataFrame({**shown, "parts": parts})


def _side(run: Migration, frame: str) -> pd.DataFrame:
    table: pd.DataFrame = getattr(run, frame).reset_index(drop=True)
    return table.assign(sent_bytes=_sent(run)) if frame == "iterations" else table


def _sent(run: Migration) -> Any:
    """Sum the windows that were closed before each pass; NA where times are not known."""
    passes, windows = run.iterations["t_ns"], run.windows
    unknown = passes.isna().any() or windows["t_ns"].isna().any() or windows.empty
    if unknown or windows["transferred_bytes"].isna().any():
        return pd.array([None] * len(passes), dtype="Int64")
    amounts = np.concatenate(([0], np.cumsum(windows["transferred_bytes"].to_numpy("int64"))))
    closed = np.searchsorted(windows["t_ns"].to_numpy("int64"), passes.to_numpy("int64"), "right")
    return pd.array(amounts[closed], dtype="Int64")


def _first_pass_ns(run: Migration) -> Any:
    passes = run.iterations["t_ns"]
    return passes.iloc[0] if len(passes) else pd.NA


def _on_clock(t_ns: pd.Series, start_ns: Any) -> pd.Series:
    """Return times since the first pass; what is before it has no common clock."""
    since = t_ns - start_ns
    return since.mask(since < 0)


def _difference(real: pd.Series, twin: pd.Series) -> pd.Series:
    """Return twin minus real; of what is no number 0 where it is the same, 1 where it is not."""
    if pd.api.types.is_integer_dtype(real.dtype):
        return (twin - real).astype("Int64")
    unequal = (twin.astype("str") != real.astype("str")).astype("Int64")
    return unequal.where(real.notna() & twin.notna())


def _rows_on_one_side(
    sides: Mapping[str, pd.DataFrame], runs: tuple[Migration, Migration], count: int
) -> np.ndarray:
    """Return which rows a side lacks that would have them: it told some, and saw the end."""
    lacking = np.zeros(count, dtype=bool)
    for table, run in zip(sides.values(), runs, strict=True):
        told = len(table) > 0 or run.kind == "simulated"
        if told and run.outcome in ENDED:
            lacking[len(table) :] = True
    return lacking


def counters_beside(real: Migration, twin: Migration, tolerance_ns: int) -> pd.DataFrame:
    """Lay the counters of query-migrate at the end side by side.

    Parameters
    ----------
    real, twin : Migration
        The runs.
    tolerance_ns : int
        How far apart times may be.

    Returns
    -------
    DataFrame
        A row for each counter that a side has: ``counter``, ``unit``, ``real``, ``twin`` (as
        text, None where not known), ``difference`` (twin minus real) and ``parts``. Counters of
        a run that was still going are those of the moment of asking, and never part.
    """
    ended = all(run.outcome in ENDED for run in (real, twin))
    both = (real.counters, twin.counters)
    rows = []
    for quantity in quantities("counters"):
        ours, theirs = (counters.get(quantity.name) for counters in both)
        if ours is None and theirs is None:
            continue
        difference = _counter_difference(ours, theirs)
        known = pd.Series([difference], dtype="Float64")
        rows.append(
            {
                "counter": quantity.name,
                "unit": quantity.unit,
                "real": None if ours is None else f"{ours}",
                "twin": None if theirs is None else f"{theirs}",
                "difference": difference,
                "parts": ended and bool(quantity.apart(known, tolerance_ns)[0]),
            }
        )
    frame = pd.DataFrame(rows, columns=["counter", "unit", "real", "twin", "difference", "parts"])
    kinds = {"counter": "str", "unit": "str", "real": "str", "twin": "str"}
    return frame.astype({**kinds, "difference": "Float64", "parts": "bool"})


def _counter_difference(ours: Any, theirs: Any) -> float | None:
    if ours is None or theirs is None:
        return None
    if isinstance(ours, str) or isinstance(theirs, str):
        return float(ours != theirs)
    return float(theirs - ours)
