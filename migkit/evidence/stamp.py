"""Process id and wall-clock start of a simulated trace log, as a scenario's file tells them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migkit.errors import ScenarioError

TABLE = "trace_log"


@dataclass(frozen=True)
class TraceStamp:
    """What a trace log says beside the events.

    Attributes
    ----------
    pid : int
        Process id of the source.
    epoch_ns : int
        Start of the migration, nanoseconds since 1970.
    """

    pid: int
    epoch_ns: int


def read_stamp(path: Path) -> TraceStamp | None:
    """Read the table ``[trace_log]`` of a scenario's file.

    Parameters
    ----------
    path : Path
        A scenario file; only TOML may have the table.

    Returns
    -------
    TraceStamp or None
        None if there is no such table.

    Raises
    ------
    ScenarioError
        If the table lacks ``pid`` or ``epoch_ns``, or they are no whole numbers.
    """
    if path.suffix != ".toml":
        return None
    table: dict[str, Any] | None = tomllib.loads(path.read_text(encoding="utf-8")).get(TABLE)
    if table is None:
        return None
    try:
        return TraceStamp(pid=int(table["pid"]), epoch_ns=int(table["epoch_ns"]))
    except (KeyError, TypeError, ValueError):
        raise ScenarioError.of(
            f"scenario {path}: table {TABLE}",
            "needs whole numbers pid and epoch_ns",
            "give both, or leave the table out",
        ) from None
