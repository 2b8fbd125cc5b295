"""The trace events of single devices in a simulation: what each side would have logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.schema import SECTIONS
from migkit.trace import EventLog

from .devices import DeviceCosts, DeviceTime, Span
from .downtime import Mark, logged_marks, simulated_marks
from .frames import UNKNOWN, typed_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Switchover"]

_SAVE, _LOAD = "vmstate_downtime_save", "vmstate_downtime_load"
_LOADED, _BOTTOM_HALF = "dst-precopy-loadvm-completed", "dst-postcopy-bh-enter"


@dataclass(frozen=True, eq=False)
class Switchover:
    """The devices of one simulated migration, on both sides.

    Parameters
    ----------
    recording : mapping
        What the engine or its oracle returned.
    log : EventLog
        What the engine wrote of the source.
    costs : DeviceCosts
        The machine's devices, and what the destination's steps take.
    """

    recording: Mapping[str, Any]
    log: EventLog
    costs: DeviceCosts

    @cached_property
    def _marks(self) -> dict[str, int]:
        """The source's checkpoints; of one that is passed twice, the first."""
        marks = logged_marks({"source": self.log})
        return {name: time for time, _, name in reversed(marks)}

    @cached_property
    def there(self) -> list[Mark]:
        """The destination's checkpoints."""
        return simulated_marks(self.recording, self.costs.landing)

    @cached_property
    def _in_package(self) -> bool:
        return len(self.log.rows("qemu_savevm_send_packaged")) > 0

    @cached_property
    def saved(self) -> list[DeviceTime]:
        """What the source saved, device by device."""
        return self.costs.saved(self._marks, in_package=self._in_package)

    @cached_property
    def completed(self) -> list[DeviceTime]:
        """What the source's iterables took to complete."""
        done_ns = self._marks.get("src-iterable-saved")
        if done_ns is None:
            return []
        return self.costs.completed(self._sections, done_ns, in_switch=self._in_package)

    @cached_property
    def _sections(self) -> dict[str, Span]:
        """Handlers to their sections between the guest's stop and the end of the iterables."""
        starts, ends = (self.log.rows(f"savevm_section_{edge}") for edge in ("start", "end"))
        names = self.log.texts("savevm_section_start", "id")
        stopped, done = self._marks["src-vm-stopped"], self._marks["src-iterable-saved"]
        times = self.log.t_ns
        spans = zip(names, times[starts].tolist(), times[ends].tolist(), strict=False)
        return {
            str(name): (begin, end)
            for name, begin, end in spans
            if stopped <= begin and end <= done
        }

    @cached_property
    def loaded(self) -> list[DeviceTime]:
        """What the destination loaded; nothing if no guest started there."""
        marks = {name: time for time, _, name in self.there}
        if _BOTTOM_HALF in marks:
            return self.costs.loaded_from_package(self.recording["destination_runs_ns"])
        if _LOADED not in marks or "src-iterable-saved" not in self._marks:
            return []
        # What is held back is the end of the description, not a device.
        arrived = self.recording["stream_arrived_ns"] - self.recording["held_segment_ns"]
        ram = self.costs.loaded_iterables(self.recording, self._sections)
        return ram + self.costs.loaded(self.recording, arrived)

    @property
    def source_log(self) -> EventLog:
        """The source's events with those of its devices, where QEMU logs them."""
        log = self.log
        for times, mark in (
            (self.saved, "src-non-iterable-saved"),
            (self.completed, "src-iterable-saved"),
        ):
            log = _inserted(log, times, mark)
        return log

    @property
    def destination_log(self) -> EventLog:
        """The destination's devices and checkpoints, by time."""
        told = [(time.end_ns, time.message(_LOAD)) for time in self.loaded]
        told += [(time, f"vmstate_downtime_checkpoint {name}") for time, _, name in self.there]
        told.sort(key=lambda row: row[0])
        times = np.array([time for time, _ in told], dtype=np.int64)
        messages = [message for _, message in told]
        return EventLog("dest", times, np.arange(len(told), dtype=np.int64), messages, "iso")

    def with_devices(self, sections: pd.DataFrame) -> pd.DataFrame:
        """Add the devices that wrote something to the iterables' sections.

        Parameters
        ----------
        sections : DataFrame
            Columns of `migkit.schema.SECTIONS`.

        Returns
        -------
        DataFrame
            The same with a row for each device, by time.
        """
        import pandas as pd

        wrote = [time for time in self.saved if time.device.bytes]
        if not wrote:
            return sections
        begun = np.array([time.begin_ns for time in wrote], dtype=np.int64)
        passes = np.searchsorted(self.recording["iterations"]["t_ns"], begun, side="right") - 1
        devices = typed_frame(
            {
                "t_ns": begun,
                "end_ns": [time.end_ns for time in wrote],
                "pass": np.where(passes < 0, UNKNOWN, passes),
                "handler": [time.device.idstr for time in wrote],
                "bytes": [time.device.bytes for time in wrote],
            },
            SECTIONS,
        )
        both = pd.concat([sections, devices], ignore_index=True)
        return both.sort_values("t_ns", kind="stable", ignore_index=True)


def _inserted(log: EventLog, times: Sequence[DeviceTime], mark: str) -> EventLog:
    """Put the devices' lines before a checkpoint, each at its own time."""
    if not times:
        return log
    rows = log.rows("vmstate_downtime_checkpoint")
    names = log.texts("vmstate_downtime_checkpoint", "checkpoint")
    # A snapshot passes no checkpoint for its iterables, which are not completed in its downtime.
    place = int(rows[names.index(mark)])
    index = len(log.messages) + np.arange(len(times), dtype=np.int64)
    t_ns = np.insert(log.t_ns, place, [time.end_ns for time in times])
    messages = np.insert(log.message_index, place, index)
    order = np.argsort(t_ns, kind="stable")
    return EventLog(
        log.side,
        t_ns[order],
        messages[order],
        [*log.messages, *(time.message(_SAVE) for time in times)],
        log.form,
    )
