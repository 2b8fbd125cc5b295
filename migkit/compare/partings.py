"""Where two runs part: the first row of each column, and the first of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from migkit.compare.beside import ALIGNED, quantities

if TYPE_CHECKING:
    from migkit.results import Migration

__all__ = ["PARTINGS", "PENDING", "Parting", "first_of", "partings_of"]

PARTINGS: Final = {
    "iteration": "Int64",
    "t_ns": "Int64",
    "frame": "str",
    "counter": "str",
    "unit": "str",
    "row": "Int64",
    "real": "str",
    "twin": "str",
    "difference": "Int64",
}
"""Columns of `migkit.compare.Comparison.partings` and their dtypes."""

PENDING: Final = ("pending_estimate_bytes", "pending_exact_bytes")
"""Columns of bytes that are those of pages left to send, and little else."""

_PAGE_BYTES: Final = 4096


@dataclass(frozen=True)
class Parting:
    """The first place at which two runs part. Differences are twin minus real.

    Attributes
    ----------
    iteration : int or None
        Row of ``Migration.iterations`` in which it happens, from 0; None when only the final
        counters differ, or a log without times does not tell.
    t_ns : int or None
        Start of that row after the moment ``migrate`` was taken, on the side that has it.
    frame, counter : str
        What parted first: ``iterations``, ``rounds``, ``windows`` or ``counters``, and the
        column; ``rows`` when one side ends before the other.
    row : int or None
        Row of that frame, from 0.
    real, twin : str or None
        The two values.
    difference : int or None
        Between them, in the unit of the column; 1 for states and decisions.
    pages : int or None
        Pages: of the column that parted if it counts pages, otherwise of what is pending in
        that pass; at the end all pages sent.
    bytes : int or None
        Bytes sent in the windows closed by then; at the end all bytes transferred.
    microseconds : float or None
        Time since the first pass; at the end the total time.
    """

    iteration: int | None
    t_ns: int | None
    frame: str
    counter: str
    row: int | None
    real: str | None
    twin: str | None
    difference: int | None
    pages: int | None
    bytes: int | None
    microseconds: float | None


def partings_of(
    frames: Mapping[str, pd.DataFrame], runs: tuple[Migration, Migration], tolerance_ns: int
) -> pd.DataFrame:
    """List for each column the first row in which it parts.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        The aligned frames and ``counters``.
    runs : tuple of Migration
        Real and twin.
    tolerance_ns : int
        How far apart times may be.

    Returns
    -------
    DataFrame
        The columns of `PARTINGS`, in the order in which they part; no row if they do not.
    """
    found: list[dict[str, Any]] = []
    for name in ALIGNED:
        found += _of_frame(name, frames[name], runs, tolerance_ns)
    found.sort(key=lambda row: np.inf if row["iteration"] is None else row["iteration"])
    found += _of_counters(frames["counters"])
    return pd.DataFrame(found, columns=list(PARTINGS)).astype(PARTINGS)


def _of_frame(
    name: str, frame: pd.DataFrame, runs: tuple[Migration, Migration], tolerance_ns: int
) -> Iterator[dict[str, Any]]:
    for quantity in quantities(name):
        difference = frame[f"{quantity.name}_difference"]
        rows = np.flatnonzero(quantity.apart(difference, tolerance_ns))
        if len(rows):
            row = int(rows[0])
            yield {
                **_place(name, frame, row, runs),
                "counter": quantity.name,
                "unit": quantity.unit,
                "real": _text(frame[f"{quantity.name}_real"].iloc[row]),
                "twin": _text(frame[f"{quantity.name}_twin"].iloc[row]),
                "difference": _whole(difference.iloc[row]),
            }
    lacking = np.flatnonzero((frame["parts"] == "rows").to_numpy(dtype=bool))
    if len(lacking):
        counts = [len(getattr(run, name)) for run in runs]
        yield {
            **_place(name, frame, int(lacking[0]), runs),
            "counter": "rows",
            "unit": "",
            "real": f"{counts[0]}",
            "twin": f"{counts[1]}",
            "difference": counts[1] - counts[0],
        }


def _place(
    name: str, frame: pd.DataFrame, row: int, runs: tuple[Migration, Migration]
) -> dict[str, Any]:
    """Say where a row lies: its time, and the pass during which that was."""
    times = [frame[f"t_ns_{side}"].iloc[row] for side in ("real", "twin")]
    known = [k for k, t_ns in enumerate(times) if not pd.isna(t_ns)]
    t_ns = int(times[known[0]]) if known else None
    iteration = row if name == "iterations" else None
    if iteration is None and t_ns is not None:
        passes = runs[known[0]].iterations["t_ns"].dropna().to_numpy("int64")
        # What is before the first pass, the setup, is counted to it.
        iteration = max(0, int(np.searchsorted(passes, t_ns, "right")) - 1)
    return {"frame": name, "row": row, "iteration": iteration, "t_ns": t_ns}


def _of_counters(counters: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row, line in enumerate(counters.itertuples(index=False)):
        if line.parts:
            yield {
                "frame": "counters",
                "row": row,
                "counter": line.counter,
                "unit": line.unit,
                "real": line.real,
                "twin": line.twin,
                "difference": _whole(line.difference),
            }


def first_of(partings: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> Parting | None:
    """Return the first place at which two runs part.

    Parameters
    ----------
    partings : DataFrame
        What `partings_of` returned.
    frames : mapping of str to DataFrame
        The aligned frames and ``counters``.

    Returns
    -------
    Parting or None
        None if they do not part.
    """
    if partings.empty:
        return None
    line = partings.iloc[0]
    iteration, difference = _whole(line["iteration"]), _whole(line["difference"])
    if line["frame"] == "counters":
        apart = _at_the_end(frames["counters"])
    else:
        apart = _in_pass(frames["iterations"], iteration)
    if line["unit"] == "pages":
        apart["pages"] = difference
    if line["counter"] == "t_ns" and difference is not None:
        apart["microseconds"] = difference / 1000
    return Parting(
        iteration=iteration,
        t_ns=_whole(line["t_ns"]),
        frame=line["frame"],
        counter=line["counter"],
        row=_whole(line["row"]),
        real=_text(line["real"]),
        twin=_text(line["twin"]),
        difference=difference,
        **apart,
    )


def _in_pass(iterations: pd.DataFrame, row: int | None) -> dict[str, Any]:
    if row is None or row >= len(iterations):
        return {"pages": None, "bytes": None, "microseconds": None}
    line = iterations.iloc[row]
    exact, estimate, sent, t_ns = (
        _whole(line[f"{name}_difference"])
        for name in ("pending_exact_bytes", "pending_estimate_bytes", "sent_bytes", "t_ns")
    )
    pending = estimate if exact is None else exact
    return {
        # Other iterables' bytes are pending too: what is no whole page is cut off.
        "pages": None if pending is None else int(pending / _PAGE_BYTES),
        "bytes": sent,
        "microseconds": None if t_ns is None else t_ns / 1000,
    }


def _at_the_end(counters: pd.DataFrame) -> dict[str, Any]:
    by_name = counters.set_index("counter")["difference"]

    def told(name: str) -> int | None:
        return _whole(by_name.get(name))

    normal, duplicate, total_ms = map(told, ("normal_pages", "duplicate_pages", "total_time_ms"))
    return {
        "pages": None if normal is None or duplicate is None else normal + duplicate,
        "bytes": told("transferred_bytes"),
        "microseconds": None if total_ms is None else total_ms * 1000.0,
    }


def _whole(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else f"{value}"
