"""Where the frames of a migration come from: a recording, trace logs, or stored tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from migkit.schema import EVENT_FRAME, FRAMES
from migkit.trace import NO_TIME, EventLog

from .device_events import Switchover
from .downtime import downtime_frame, logged_marks
from .faults import faults_frame
from .frames import typed_frame
from .passes import passes_frame
from .recorded_events import event_log
from .rounds import rounds_frame, windows_frame
from .sections import sections_frame

if TYPE_CHECKING:
    import pandas as pd

    from .devices import DeviceCosts


class Source(Protocol):
    """What a migration asks for its frames and its events."""

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of `migkit.schema.FRAMES` by its name."""

    @property
    def logs(self) -> Mapping[str, EventLog]:
        """Events of each side that was recorded."""


def events_frame(logs: Mapping[str, EventLog]) -> pd.DataFrame:
    """Put the events of all sides into one frame, by time; each side keeps its own order.

    Parameters
    ----------
    logs : mapping
        Side to its events.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.EVENT_FRAME`.
    """
    import pandas as pd

    kept = [log for log in logs.values() if len(log)]
    if not kept:
        return typed_frame({}, EVENT_FRAME)
    frame = pd.concat([log.frame() for log in kept], ignore_index=True)
    if len(kept) == 1:
        return frame
    # Threads of one process may log a little out of order: a running maximum keeps their lines.
    times = np.concatenate([np.maximum.accumulate(log.t_ns) for log in kept])
    return frame.take(np.argsort(times, kind="stable")).reset_index(drop=True)


_DERIVED = {
    "iterations": passes_frame,
    "rounds": rounds_frame,
    "windows": windows_frame,
    "sections": sections_frame,
}
"""What the source's log alone tells."""


@dataclass(frozen=True, eq=False)
class LogSource:
    """Frames derived from trace logs.

    Parameters
    ----------
    logs : mapping
        Side (``source``, ``dest``) to its events.
    """

    logs: Mapping[str, EventLog]

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of `migkit.schema.FRAMES` by its name."""
        source, dest = self.logs.get("source"), self.logs.get("dest")
        if name == "events":
            return events_frame(self.logs)
        if name == "faults":
            return faults_frame(source, dest)
        if name == "downtime":
            return downtime_frame(logged_marks(self.logs))
        if source is None or name == "commands":  # no log tells of these
            return typed_frame({}, FRAMES[name])
        return _DERIVED[name](source)


@dataclass(frozen=True, eq=False)
class RecordingSource:
    """Frames of a simulation, straight from what the engine recorded.

    Parameters
    ----------
    recording : mapping
        What the engine or its oracle returned.
    block_pages : tuple of int
        Pages of each RAM block, to tell the block of a page; empty when not known.
    devices : DeviceCosts, optional
        The machine's devices and what the destination's steps take; without it, there are the
        source's checkpoints only.
    """

    recording: Mapping[str, Any]
    block_pages: tuple[int, ...] = ()
    devices: DeviceCosts | None = None

    @cached_property
    def _source_log(self) -> EventLog:
        return event_log(self.recording)

    @cached_property
    def _switchover(self) -> Switchover | None:
        if self.devices is None:
            return None
        return Switchover(self.recording, self._source_log, self.devices)

    @cached_property
    def logs(self) -> Mapping[str, EventLog]:
        """Events of the source, and of the destination once it got a guest to run."""
        if self._switchover is None:
            return {"source": self._source_log}
        there = self._switchover.destination_log
        told = {"source": self._switchover.source_log}
        return {**told, "dest": there} if len(there) else told

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of `migkit.schema.FRAMES` by its name."""
        if name == "events":
            return events_frame(self.logs)
        if name == "downtime":
            return downtime_frame(logged_marks(self.logs))
        if name == "sections":
            return self._sections()
        table = self.recording[name]
        if name == "faults":
            table = {**table, **self._places(table["page"])}
        return typed_frame(table, FRAMES[name], missing=-1)

    def _sections(self) -> pd.DataFrame:
        """Return the iterables' sections, then the devices'."""
        table = self.recording["sections"]
        if len(table["t_ns"]):
            handlers = self.recording["handlers"]
            table = {**table, "handler": [handlers[code] for code in table["handler"].tolist()]}
            frame = typed_frame(table, FRAMES["sections"], missing=-1)
        else:  # RAM alone: its sizes are those of the passes
            frame = sections_frame(self._source_log)
        return frame if self._switchover is None else self._switchover.with_devices(frame)

    def _places(self, pages: Any) -> dict[str, Any]:
        """Block and page within it, of pages that are numbered through all blocks."""
        if not self.block_pages:
            return {"block": [None] * len(pages)}
        ends = np.cumsum(self.block_pages)
        block = np.searchsorted(ends, pages, side="right")
        names = self.recording["ram_blocks"]
        first = np.concatenate(([0], ends[:-1]))
        return {"block": [names[k] for k in block.tolist()], "page": pages - first[block]}


@dataclass(frozen=True, eq=False)
class StoredSource:
    """Frames read back from a folder.

    Parameters
    ----------
    frames : mapping
        Name of a frame to the frame.
    clocks : mapping
        Side to ``form`` and ``epoch_ns`` of its log.
    """

    frames: Mapping[str, pd.DataFrame]
    clocks: Mapping[str, Mapping[str, Any]]

    @cached_property
    def logs(self) -> Mapping[str, EventLog]:
        """Events of each side, as they were before they were stored."""
        return {side: self._log(side) for side in self.clocks}

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of `migkit.schema.FRAMES` by its name."""
        return self.frames[name]

    def _log(self, side: str) -> EventLog:
        import json

        import pandas as pd

        from migkit.trace.registry import render

        events = self.frames["events"]
        own = events[events["side"] == side]
        texts = own["event"].str.cat(own["arguments"], sep="\n")
        index, distinct = pd.factorize(texts)
        pairs = (text.split("\n", 1) for text in distinct.tolist())
        messages = [render(event, json.loads(arguments)) for event, arguments in pairs]
        clock = self.clocks[side]
        threads = own["thread_id"].to_numpy(dtype=np.int64, na_value=0)
        return EventLog(
            side=side,
            t_ns=own["t_ns"].to_numpy(dtype=np.int64, na_value=NO_TIME),
            message_index=np.asarray(index, dtype=np.int64),
            messages=messages,
            form=clock["form"],
            epoch_ns=clock["epoch_ns"],
            pids=threads if clock["form"] == "pid" else None,
        )
