"""One migration, simulated or recorded: frames, summary, scenario and where it comes from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from migkit.errors import InputError, TraceLogError, did_you_mean
from migkit.provenance import provenance
from migkit.schema import STATES
from migkit.trace import EventLog, write_log
from migkit.trace.eventlog import Form

from .access import Frames
from .blocktime import destination_summary_of
from .devices import DeviceCosts
from .sources import LogSource, RecordingSource, Source
from .summaries import counters_of, recorded_counters, summary_of

if TYPE_CHECKING:
    import pandas as pd

    from migkit.scenario import Scenario

__all__ = ["Migration"]


@dataclass(frozen=True, eq=False, repr=False)
class Migration(Frames):
    """What a migration did.

    Frames are made when first asked for. Each access gives a frame of the caller's own: changing
    it changes nothing here. The same holds for summaries, `counters` and `provenance`.

    Parameters
    ----------
    name : str
        What to call it in tables and figures.
    kind : str
        ``simulated`` or ``recorded``.
    outcome : str
        Last state of the source; ``unknown`` when nothing tells it.
    destination_state : str
        Last state of the destination; ``unknown`` when nothing tells it.
    source : Source
        Where its frames come from.
    record : mapping
        ``summary``, ``destination_summary``, ``counters`` and ``provenance``.
    inputs : Scenario, optional
        What went in.
    """

    name: str
    kind: Literal["simulated", "recorded"]
    outcome: str
    destination_state: str
    source: Source
    record: Mapping[str, Any]
    inputs: Scenario | None = None
    _made: dict[str, pd.DataFrame] = field(default_factory=dict, init=False)

    @classmethod
    def from_recording(
        cls,
        recording: Mapping[str, Any],
        scenario: Scenario | None = None,
        engine: str = "",
    ) -> Self:
        """Make the migration that an engine recorded.

        Parameters
        ----------
        recording : mapping
            What the engine or its oracle returned, see `migkit.schema.RECORDING`.
        scenario : Scenario, optional
            What was simulated.
        engine : str
            Which engine did it.

        Returns
        -------
        Migration
            Of the kind ``simulated``.
        """
        facts: dict[str, Any] = {"engine": engine}
        pages: tuple[int, ...] = ()
        devices = None
        if scenario is not None:
            devices = DeviceCosts.of(scenario)
            facts |= {"seed": scenario.seed, "inputs": scenario.to_dict()}
            pages = tuple(block.pages for block in scenario.guest.ram_blocks)
        counters = recorded_counters(recording)
        return cls(
            name=scenario.name if scenario is not None else "simulation",
            kind="simulated",
            outcome=recording["outcome"],
            destination_state=recording["destination_state"],
            source=RecordingSource(recording, pages, devices),
            record={
                "summary": summary_of(counters),
                "destination_summary": destination_summary_of(recording),
                "counters": counters,
                "provenance": provenance(**facts),
            },
            inputs=scenario,
        )

    @classmethod
    def from_logs(
        cls,
        logs: Mapping[str, EventLog],
        name: str,
        summary: Mapping[str, Any] | None = None,
        destination_summary: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Self:
        """Make the migration that trace logs tell of.

        Parameters
        ----------
        logs : mapping
            Side (``source``, ``dest``) to its events.
        name : str
            What to call it.
        summary, destination_summary : mapping, optional
            Replies of query-migrate on both sides; without one, it is the state only.
        **facts
            What else belongs into the provenance.

        Returns
        -------
        Migration
            Of the kind ``recorded``.
        """
        outcome, destination = (_last_state(logs.get(side)) for side in ("source", "dest"))
        told = dict(summary) if summary is not None else {"status": outcome}
        return cls(
            name=name,
            kind="recorded",
            outcome=outcome,
            destination_state=destination,
            source=LogSource(logs),
            record={
                "summary": told,
                "destination_summary": dict(destination_summary or {"status": destination}),
                "counters": counters_of(told),
                "provenance": provenance(**facts),
            },
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The source's query-migrate at the end, with QEMU's names and units."""
        return copy.deepcopy(dict(self.record["summary"]))

    @property
    def destination_summary(self) -> dict[str, Any]:
        """The destination's query-migrate at the end: its status, and postcopy's blocktime."""
        return copy.deepcopy(dict(self.record["destination_summary"]))

    @property
    def counters(self) -> dict[str, Any]:
        """The counters of the summary by our names, with units; more of them when simulated."""
        return copy.deepcopy(dict(self.record["counters"]))

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions and inputs that made this result."""
        return copy.deepcopy(dict(self.record["provenance"]))

    @cached_property
    def scenario(self) -> Scenario | None:
        """What went in; None when it is not known."""
        return self.inputs

    def to_trace_log(
        self,
        form: Form | None = None,
        pid: int | None = None,
        epoch_ns: int | None = None,
        side: str = "source",
    ) -> str:
        """Write the events of one side as QEMU writes them.

        Parameters
        ----------
        form : {"bare", "pid", "iso"}, optional
            Form of the lines; without it, that of the log it was read from, or ``iso``.
        pid : int, optional
            Process id for the form ``pid``.
        epoch_ns : int, optional
            Wall-clock time of t_ns 0, nanoseconds since 1970.
        side : {"source", "dest"}
            Whose events.

        Returns
        -------
        str
            The lines, each with its line end.

        Raises
        ------
        InputError
            `form` or `side` is not one of those.
        TraceLogError
            There are no events of that side, or no times for the form.
        """
        if side not in ("source", "dest"):
            raise InputError.of(
                f"side {side!r}", "allowed source, dest", did_you_mean(side, ("source", "dest"))
            )
        logs = self.source.logs
        if side not in logs:
            raise TraceLogError.of(
                f"write the trace log of the {side} of {self.name}",
                f"there are events of: {', '.join(logs) or 'no side'}",
                "choose another side",
            )
        return write_log(logs[side], form, pid, epoch_ns)

    def to_parquet(self, folder: str | PathLike[str]) -> None:
        """Store it in a folder of Parquet tables, with units and provenance in their metadata.

        Parameters
        ----------
        folder : path-like
            The folder, which appears whole or not at all. An earlier stored migration in it is
            replaced.

        Raises
        ------
        StorageError
            The folder holds something else, or cannot be written.
        """
        from .storage import store

        store(self, Path(folder), "parquet")

    def to_csv(self, folder: str | PathLike[str]) -> None:
        """Store it in a folder of CSV tables; their first line is a JSON comment after ``#``.

        Parameters
        ----------
        folder : path-like
            As for `to_parquet`.

        Raises
        ------
        StorageError
            The folder holds something else, or cannot be written.
        """
        from .storage import store

        store(self, Path(folder), "csv")

    @staticmethod
    def load(folder: str | PathLike[str]) -> Migration:
        """Read what `to_parquet` or `to_csv` stored.

        Parameters
        ----------
        folder : path-like
            The folder.

        Returns
        -------
        Migration
            With the same frames, summary, scenario and provenance.

        Raises
        ------
        StorageError
            There is no stored migration, or it is damaged.
        """
        from .storage import load

        return load(Path(folder))

    def __repr__(self) -> str:
        """Return the verdict and the main numbers as text."""
        from .views import text

        return text(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        from .views import html

        return html(self)


def _last_state(log: EventLog | None) -> str:
    states = log.texts("migrate_set_state", "new_state") if log is not None else []
    return states[-1] if states and states[-1] in STATES else "unknown"
