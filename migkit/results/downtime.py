"""The downtime by its checkpoints: from the guest's stop here to its start there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import CHECKPOINTS, DESTINATION_CHECKPOINTS, DOWNTIME
from migkit.trace import NO_TIME, EventLog

from .frames import UNKNOWN, typed_frame

if TYPE_CHECKING:
    import pandas as pd

    from migkit.host.landing_costs import LandingCosts

_SIDES = ("source", "dest")
_NAMES = CHECKPOINTS + DESTINATION_CHECKPOINTS
_START = "src-downtime-start"
_STARTED = ("dst-precopy-bh-vm-started", "dst-postcopy-bh-vm-started")
Mark = tuple[int, str, str]
"""Time, side and name of a checkpoint."""


def logged_marks(logs: Mapping[str, EventLog]) -> list[Mark]:
    """Read the checkpoints of both sides' logs.

    Parameters
    ----------
    logs : mapping
        Side (``source``, ``dest``) to its events.

    Returns
    -------
    list of (int, str, str)
        Nanoseconds after migrate, side, checkpoint.
    """
    marks: list[Mark] = []
    for side, log in logs.items():
        if not log.has_times:
            continue
        times = log.t_ns[log.rows("vmstate_downtime_checkpoint")].tolist()
        names = log.texts("vmstate_downtime_checkpoint", "checkpoint")
        marks += [
            (time, side, name)
            for time, name in zip(times, names, strict=True)
            if time != NO_TIME and name in _NAMES
        ]
    return marks


def simulated_marks(recording: Mapping[str, Any], costs: LandingCosts) -> list[Mark]:
    """Follow the destination from what arrived to its running guest.

    Parameters
    ----------
    recording : mapping
        What the engine or its oracle returned.
    costs : LandingCosts
        What the steps take.

    Returns
    -------
    list of (int, str, str)
        The destination's checkpoints; none where its guest did not start.
    """
    runs_ns, arrived_ns = recording["destination_runs_ns"], recording["stream_arrived_ns"]
    ended = recording["run_states"][1] in ("inmigrate", "exited")
    if runs_ns >= 0:
        began = int(recording["events"][-1, 0]) >= runs_ns if len(recording["events"]) else False
        return _postcopy_marks(runs_ns, costs) if began else []
    if arrived_ns < 0 or ended:
        return []
    steps = (costs.device_load_ns, costs.bh_ns, costs.announce_ns, costs.start_ns)
    times = (arrived_ns + np.cumsum(steps)).tolist()
    return [(time, "dest", name) for time, name in zip(times, _NAMES[5:9], strict=True)]


def _postcopy_marks(runs_ns: int, costs: LandingCosts) -> list[Mark]:
    """Count back from the moment at which the guest runs."""
    steps = (0, costs.cpu_sync_ns, costs.announce_ns, costs.activate_ns, costs.start_ns)
    times = (runs_ns - costs.postcopy_bh_ns + np.cumsum(steps)).tolist()
    return [(time, "dest", name) for time, name in zip(times, _NAMES[9:], strict=True)]


def downtime_frame(marks: list[Mark]) -> pd.DataFrame:
    """Put checkpoints into a frame.

    Parameters
    ----------
    marks : list of (int, str, str)
        Nanoseconds after migrate, side, checkpoint.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.DOWNTIME`, by time.
    """
    ordered = sorted(marks, key=lambda mark: mark[0])
    times = np.array([time for time, _, _ in ordered], dtype=np.int64)
    starts = [time for time, _, name in ordered if name == _START]
    since = times - starts[0] if starts else np.full(len(times), UNKNOWN, dtype=np.int64)
    steps = np.diff(times, prepend=UNKNOWN)
    if len(steps):
        steps[0] = UNKNOWN
    return typed_frame(
        {
            "t_ns": times,
            "side": [_SIDES.index(side) for _, side, _ in ordered],
            "checkpoint": [_NAMES.index(name) for _, _, name in ordered],
            "since_start_ns": since,
            "step_ns": steps,
        },
        DOWNTIME,
    )


def blackout_ms(frame: pd.DataFrame) -> float | None:
    """Return how long no guest ran: from its stop here to its start there.

    Parameters
    ----------
    frame : DataFrame
        Columns of `migkit.schema.DOWNTIME`.

    Returns
    -------
    float or None
        Milliseconds; None where a side's checkpoints are missing.
    """
    started = frame.loc[frame["checkpoint"].isin(_STARTED), "since_start_ns"].dropna()
    return float(started.iloc[-1]) / 1e6 if len(started) else None
