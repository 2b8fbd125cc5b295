"""Where the bytes of a migration went, as one stacked bar a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from migkit.plot.axes import MIB, PAGE_BYTES, label, to_mib
from migkit.style import INK, phase_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migkit.results import Migration

# A zero page is a header of eight bytes and its fill byte (migration/ram.c, save_zero_page).
_ZERO_PAGE_BYTES: Final = 9
# Part -> (phase that colours it, hatch).
PARTS: Final[dict[str, tuple[str, str | None]]] = {
    "first send": ("precopy", None),
    "sent again": ("precopy", "////"),
    "during downtime": ("switchover", None),
    "postcopy": ("postcopy", None),
    "zero pages": ("setup", "...."),
    "framing": ("setup", None),
}


def bytes_frame(runs: Mapping[str, Migration]) -> pd.DataFrame:
    """Return the bytes of each run by what they were spent on.

    Parameters
    ----------
    runs : mapping of str to Migration
        Name of the run to the run.

    Returns
    -------
    DataFrame
        Columns ``run``, ``part`` (a key of `PARTS`) and ``bytes`` (int64). The parts of a run
        sum up to its ``precopy-bytes``, ``downtime-bytes`` and ``postcopy-bytes``. "framing" is
        what remains: section marks, page headers, device state.
    """
    rows = [
        (name, part, amount) for name, run in runs.items() for part, amount in _parts(run).items()
    ]
    return pd.DataFrame(rows, columns=["run", "part", "bytes"]).astype({"bytes": "int64"})


def stacked_bytes(frame: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw one stacked bar a run, with the parts named above.

    Parameters
    ----------
    frame : DataFrame
        What `bytes_frame` returns.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes: x in MiB, a bar for each run.
    """
    runs = list(dict.fromkeys(frame["run"]))
    widest = frame.groupby("run")["bytes"].sum().max() / MIB
    for row, run in enumerate(runs):
        start = 0.0
        own = frame[frame["run"] == run].set_index("part")["bytes"]
        for part, amount in zip(own.index, to_mib(own), strict=True):
            _bar(part, row, start, amount, ax)
            start += amount
        label(ax, f"{start:,.0f}", (start, row), (3, 0), INK)
    ax.set_yticks(range(len(runs)), runs)
    ax.set_ylim(len(runs) - 0.5, -0.5)
    ax.set_xlim(0, 1.1 * widest)
    ax.set_xlabel("sent (MiB)")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    _name_parts(frame, ax)
    return ax


def _parts(migration: Migration) -> dict[str, int]:
    """Split the bytes of one run."""
    ram: dict[str, Any] = migration.summary["ram"]
    rounds = migration.rounds
    reasons = rounds["reason"].astype(str)
    ends = rounds.loc[reasons != "setup", "normal_pages"]
    last = rounds.loc[reasons.isin(["final", "postcopy"]), "normal_pages"]
    sent = int(ram["normal"])
    whole = int(last.iloc[0]) if last.notna().any() else sent
    first = int(ends.iloc[0]) if ends.notna().any() else whole
    precopy = int(ram["precopy-bytes"])
    zeros = min(int(ram["duplicate"]) * _ZERO_PAGE_BYTES, precopy)
    pages = {"first send": first * PAGE_BYTES, "sent again": (whole - first) * PAGE_BYTES}
    return {
        **pages,
        "during downtime": int(ram["downtime-bytes"]),
        "postcopy": int(ram["postcopy-bytes"]),
        "zero pages": zeros,
        "framing": max(precopy - zeros - sum(pages.values()), 0),
    }


def _bar(part: str, row: int, start: float, amount: float, ax: Axes) -> None:
    """Draw one part of a bar."""
    phase, hatch = PARTS[part]
    ax.barh(
        row,
        amount,
        left=start,
        height=0.55,
        color=phase_colour(phase),
        edgecolor="white",
        linewidth=0.4,
        hatch=hatch,
        label=part,
    )


def _name_parts(frame: pd.DataFrame, ax: Axes) -> None:
    """Name the parts above the bars, in the order in which they are stacked."""
    used = set(frame.loc[frame["bytes"] > 0, "part"])
    first: dict[str, Any] = {}
    for handle, part in zip(*ax.get_legend_handles_labels(), strict=True):
        if part in used:
            first.setdefault(part, handle)
    ax.legend(
        first.values(),
        first.keys(),
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        fontsize=6.0,
        handlelength=1.2,
        handleheight=0.9,
        columnspacing=1.0,
        borderaxespad=0.2,
    )
