"""What a tap has counted: frames, QEMU's counters, and plain values for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from migkit.atomic import whole_folder
from migkit.errors import InputError
from migkit.frame_rows import frame_rows
from migkit.provenance import provenance
from migkit.results.storage import write_table
from migkit.schema import (
    TAP_CONNECTION_KINDS,
    TAP_CONNECTIONS,
    TAP_INTERVALS,
    TAP_REQUESTS,
    TAP_ROUNDS,
    TAP_SECTIONS,
    Column,
)
from migkit.stream import Stream
from migkit.stream.frames import UNKNOWN
from migkit.stream.views import report

from .counts import INTERVAL_NS, Counts
from .cuts import Cut
from .frames import latencies, tap_frame, time_columns
from .link import Link
from .state import Shared

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FRAMES", "TapResult", "result_of"]

FRAMES: dict[str, tuple[Column, ...]] = {
    "sections": TAP_SECTIONS,
    "rounds": TAP_ROUNDS,
    "intervals": TAP_INTERVALS,
    "requests": TAP_REQUESTS,
    "connections": TAP_CONNECTIONS,
}
"""The frames of a tap and their columns."""

_MARK = "tap.json"
_QEMU_COUNTS = {
    "normal": "normal_pages",
    "duplicate": "duplicate_pages",
    "xbzrle-pages": "xbzrle_pages",
    "precopy-bytes": "precopy_bytes",
    "downtime-bytes": "downtime_bytes",
    "postcopy-bytes": "postcopy_bytes",
    "multifd-bytes": "multifd_bytes",
}


@dataclass(frozen=True, eq=False)
class TapResult:
    """What passed a tap.

    Frames are made when asked for and are the caller's own.

    Parameters
    ----------
    outcome : {"complete", "cut", "broken", "opaque", "nothing"}
        The stream has come to its end; it was cut, and not resumed to its end; it broke off; it
        is not a stream that can be read, such as TLS; no byte came.
    stream : Stream
        What the bytes hold, as `migkit.read_stream` tells it.
    duration_ns : int
        From the first byte to the last.
    cut : Cut or None
        What was to cut it.
    cut_ns : int or None
        When that was.
    errors : tuple of str
        Connections that could not be made.
    link : dict
        What lay between the two (`migkit.tap.line.Line.to_dict`); empty where nothing was limited
        or delayed.
    """

    outcome: Literal["complete", "cut", "broken", "opaque", "nothing"]
    stream: Stream
    duration_ns: int
    cut: Cut | None
    cut_ns: int | None
    errors: tuple[str, ...]
    link: dict[str, Any]
    _counts: Counts = field(repr=False)
    _connections: tuple[tuple[Any, ...], ...] = field(repr=False)
    _passed: tuple[Mapping[int, int], Mapping[int, int]] = field(repr=False)

    @property
    def sections(self) -> pd.DataFrame:
        """One row a record of the main stream: `migkit.schema.TAP_SECTIONS`."""
        times = np.array(self._counts.sections, np.int64).reshape(-1, 2)
        records = self.stream.records
        return records.assign(**time_columns(("first_ns", "last_ns"), times[: len(records)].T))

    @property
    def rounds(self) -> pd.DataFrame:
        """One row a sweep through RAM: `migkit.schema.TAP_ROUNDS`."""
        rounds = self.stream.rounds
        begins = np.array([first for first, _ in self._counts.sections] or [0], np.int64)
        rows = rounds["record"].to_numpy(np.int64)
        known = (rounds["channel"] == "main").to_numpy(bool) & (rows < len(begins))
        first = np.where(known, begins[np.minimum(rows, len(begins) - 1)], UNKNOWN)
        return rounds.assign(**time_columns(("first_ns",), first[np.newaxis]))

    @property
    def intervals(self) -> pd.DataFrame:
        """One row for each 100 ms: `migkit.schema.TAP_INTERVALS`."""
        pages, there, back = self._counts.intervals, *self._passed
        numbers = range(max([*pages, *there, *back], default=-1) + 1)
        rows = [
            (n * INTERVAL_NS, there.get(n, 0), back.get(n, 0), *pages.get(n, (0, 0, 0)))
            for n in numbers
        ]
        return tap_frame(rows, TAP_INTERVALS)

    @property
    def requests(self) -> pd.DataFrame:
        """One row a request of the return path: `migkit.schema.TAP_REQUESTS`."""
        return tap_frame(self._counts.requests, TAP_REQUESTS)

    @property
    def connections(self) -> pd.DataFrame:
        """One row a connection: `migkit.schema.TAP_CONNECTIONS`."""
        return tap_frame(self._connections, TAP_CONNECTIONS)

    @property
    def pages_in_complete(self) -> int:
        """Pages that ``save_complete`` of RAM moved."""
        return self.stream.save_complete_pages

    @property
    def not_counted(self) -> str | None:
        """Why only bytes were counted, if that is so; None where pages were."""
        kinds = set(self.connections["kind"].dropna())
        if kinds & {"main", "multifd", "preempt"} or not kinds:
            return None
        hidden = "TLS hides what is in the stream" if "tls" in kinds else "it is no migration"
        waits = self.cut is not None and self.cut.event in {"save_complete", "postcopy"}
        missed = f"; the cut at {self.cut} was never seen" if waits else ""
        return f"{hidden}: only bytes are counted, no pages, rounds or requests{missed}"

    @property
    def qemu_counts(self) -> dict[str, int]:
        """Pages and bytes by the definitions of query-migrate."""
        told = self.stream.counters
        return {name: told.get(counter, 0) for counter, name in _QEMU_COUNTS.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the frames as plain values."""
        there = sum(connection[3] for connection in self._connections)
        seconds = self.duration_ns / 1e9
        return {
            "outcome": self.outcome,
            "qemu_counts": self.qemu_counts,
            "pages_in_complete": self.pages_in_complete,
            "rounds": len(self.stream.rounds),
            "requests": len(self._counts.requests),
            "request_latency_us": latencies(self._counts.requests),
            "seconds": round(seconds, 6),
            "bytes_to_destination": there,
            "bytes_to_source": sum(connection[4] for connection in self._connections),
            "bytes_per_s": round(there / seconds) if seconds else 0,
            "link": self.link,
            "cut": None if self.cut is None else str(self.cut),
            "cut_at_s": None if self.cut_ns is None else round(self.cut_ns / 1e9, 6),
            "connections": frame_rows(self.connections),
            "not_counted": self.not_counted,
            "not_understood": None if self.stream.error is None else str(self.stream.error),
            "errors": list(self.errors),
        }

    def report(self) -> str:
        """Return what a terminal shows: the outcome, connections, and all of the stream."""
        told = self.to_dict()
        lines = [
            f"{self.outcome}: {told['bytes_to_destination']} B there, "
            f"{told['bytes_to_source']} B back in {told['seconds']:.3f} s, "
            f"{told['bytes_per_s'] / 1e6:.1f} MB/s"
        ]
        if self.cut_ns is not None:
            lines.append(f"cut at {self.cut_ns / 1e9:.3f} s")
        lines += [
            f"connection {number}: {row['kind'] or 'nothing'}, "
            f"{row['to_destination_bytes']} B there, {row['to_source_bytes']} B back"
            for number, row in enumerate(told["connections"])
        ]
        if told["request_latency_us"] is not None:
            shares = ", ".join(
                f"{name} {us:.0f}" for name, us in told["request_latency_us"].items()
            )
            lines.append(f"requests: {told['requests']}, latency in us: {shares}")
        if self.stream.error is not None:
            lines.append(f"not read to its end: {self.stream.error}")
        if self.not_counted is not None:
            return "\n".join([*lines, self.not_counted])
        return "\n".join([*lines, "", report(self.stream)])

    def store(
        self, folder: str | Path, table_format: Literal["parquet", "csv"] = "parquet"
    ) -> None:
        """Write all frames and `to_dict` into a folder, which appears whole or not at all.

        Parameters
        ----------
        folder : path
            New, empty, or an earlier result, which is replaced.
        table_format : {"parquet", "csv"}
            Format of the tables.

        Raises
        ------
        InputError
            If it holds something else.
        """
        import json

        place = Path(folder)
        if place.exists() and (place.is_file() or _foreign(place)):
            raise InputError.of(
                f"frames {place}", "holds something else", "name a new or an empty folder"
            )
        record = provenance(kind="tap")
        with whole_folder(place) as part:
            for name, columns in FRAMES.items():
                path = part / f"{name}.{table_format}"
                write_table(getattr(self, name), columns, record, path)
            text = json.dumps({"provenance": record} | self.to_dict(), indent=1)
            (part / _MARK).write_text(text + "\n", encoding="utf-8")


def result_of(
    shared: Shared, links: Sequence[Link], cut: Cut | None, errors: Sequence[str]
) -> TapResult:
    """Put together what a tap has counted, once all its connections are closed."""
    counts, main = shared.counts, shared.walker.main
    connections: list[tuple[Any, ...]] = []
    for link in links:
        kind = link.there.walk.kind
        times = [t for t in (link.there.first_ns, link.back.first_ns) if t is not None]
        ends = [t for t in (link.there.last_ns, link.back.last_ns) if t is not None]
        connections.append((
            None if kind is None else TAP_CONNECTION_KINDS.index(kind),
            min(times, default=None), max(ends, default=None),
            link.there.passed, link.back.passed,
        ))  # fmt: skip
    kinds = {link.there.walk.kind for link in links}
    outcome: Any = "broken"
    if not any(row[3] for row in connections):
        outcome = "nothing"
    elif main.ended:
        outcome = "complete"
    elif "main" not in kinds:
        outcome = "opaque"
    elif shared.cut_ns is not None:
        outcome = "cut"
    duration = max((row[2] for row in connections if row[2] is not None), default=0)
    return TapResult(
        outcome,
        shared.walker.stream("tap"),
        duration,
        cut,
        shared.cut_ns,
        tuple(errors),
        shared.pace.line.to_dict(),
        counts,
        tuple(connections),
        _passed(links),
    )


def _passed(links: Sequence[Link]) -> tuple[Counter[int], Counter[int]]:
    """Add up what passed in each interval, each way."""
    passed: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for link in links:
        passed[0].update(link.there.intervals)
        passed[1].update(link.back.intervals)
    return passed


def _foreign(folder: Path) -> bool:
    return any(folder.iterdir()) and not (folder / _MARK).is_file()
