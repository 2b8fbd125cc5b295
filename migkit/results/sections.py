"""The sections of the iterable handlers, from the source's trace events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from migkit.schema import SECTIONS
from migkit.trace import EventLog

from .frames import UNKNOWN, typed_frame
from .pending import pending_sizes

if TYPE_CHECKING:
    import pandas as pd


def sections_frame(log: EventLog) -> pd.DataFrame:
    """Pair the starts and ends of sections (migration/savevm.c).

    Parameters
    ----------
    log : EventLog
        Events of the source.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.SECTIONS`; sizes are not known, nor the end of a section in
        which the log stops.
    """
    starts, ends = (log.rows(f"savevm_section_{edge}") for edge in ("start", "end"))
    # One thread writes them one after another: the end is the next one in the log.
    follows = np.searchsorted(ends, starts)
    stops = np.append(log.t_ns[ends], UNKNOWN)[follows]
    passes = np.searchsorted(pending_sizes(log).estimates.rows, starts) - 1
    return typed_frame(
        {
            "t_ns": log.t_ns[starts],
            "end_ns": stops,
            "pass": np.where(passes < 0, UNKNOWN, passes),
            "handler": log.texts("savevm_section_start", "id"),
        },
        SECTIONS,
    )
