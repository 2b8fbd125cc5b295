"""What came of a migration that was received: counts, requests, memory, device state."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.stream.devices import device_state
from migkit.stream.stream import Stream

from .arena import Arena
from .destination import Destination
from .guest import ArenaGuest
from .live_frames import request_columns
from .saved import SavedBlock, SavedState, write_saved
from .sections import DeviceSection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reception", "reception_of"]

_QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}


@dataclass(frozen=True, eq=False)
class Reception:
    """A migration that was received.

    Attributes
    ----------
    outcome : str
        ``completed``, ``failed``, or the state in which it was left.
    error : str
        Why it did not complete; empty if it did.
    stream : Stream
        Frames of what came: records, rounds, packets, counters under QEMU's names.
    devices : tuple of DeviceSection
        Sections that are not RAM, as bytes.
    requests_sent : int
        Messages for pages that the source got, as its ``postcopy-requests``.
    pauses : int
        How often postcopy was paused and resumed.
    missing_pages : int
        Pages that did not come.
    bytes_received : int
        Over all channels.
    seconds : float
        From the first channel to the end.
    description : bytes
        The description of devices as the source wrote it; empty where it wrote none.
    guest : ArenaGuest or None
        What runs here since, the caller's to stop; only of a migration that completed.
    """

    outcome: str
    error: str
    stream: Stream
    devices: tuple[DeviceSection, ...]
    requests_sent: int
    pauses: int
    missing_pages: int
    bytes_received: int
    seconds: float
    description: bytes = field(repr=False)
    _arena: Arena | None = field(repr=False)
    _requests: dict[str, Any] = field(repr=False)
    guest: ArenaGuest | None = None
    _faults: dict[str, Any] = field(default_factory=dict, repr=False)
    _guest_summary: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def requests(self) -> pd.DataFrame:
        """One row a page that was asked for and came.

        Columns: ``t_s`` of the request since the guest runs, ``page`` through all RAM blocks,
        ``latency_us`` until its bytes were read from the channel.
        """
        import pandas as pd

        return pd.DataFrame(self._requests)

    @property
    def faults(self) -> pd.DataFrame:
        """One row a fault of a vCPU that runs here, for a page that the source still had.

        Columns: ``t_ns`` since postcopy was listened for, ``page``, ``vcpu``, and ``latency_ns``
        until the page was placed and the vCPU woken.
        """
        import pandas as pd

        names = ("t_ns", "page", "vcpu", "latency_ns")
        return pd.DataFrame({name: self._faults.get(name, []) for name in names}, dtype="int64")

    @property
    def rounds(self) -> int:
        """Sweeps through RAM before postcopy; there a request opens one wherever it leads to."""
        records, rounds = self.stream.records, self.stream.rounds
        opened = records.index[records["name"] == "PACKAGED"]
        if len(opened):
            rounds = rounds[(rounds["record"] < opened[0]) & (rounds["channel"] != "preempt")]
        return int(rounds["channel"].value_counts().max()) if len(rounds) else 0

    def ram(self, block: str) -> memoryview:
        """Return the bytes of a RAM block."""
        arena = self._arena
        names = [known.name for known in self.stream.ram_blocks]
        if arena is None or block not in names:
            raise KeyError(block)
        return arena.of_block(names.index(block))

    def to_dict(self) -> dict[str, Any]:
        """Return the summary that ``migkit receive --json`` writes.

        Returns
        -------
        dict
            ``qemu_counts`` as query-migrate of the source has them; ``xbzrle_pages`` without
            those of which QEMU had nothing to send. Where a guest runs here also ``guest``: its
            ``vcpus``, the ``writes_before`` it came, and ``postcopy-blocktime``,
            ``postcopy-vcpu-blocktime`` (ms), ``postcopy-latency`` and more (ns), as QEMU's
            destination accounts them with the capability postcopy-blocktime.
        """
        counters = self.stream.counters
        latency = np.asarray(self._requests["latency_us"], float)
        quantiles: dict[str, float | None] = dict.fromkeys(_QUANTILES)
        if len(latency):
            found = np.percentile(latency, list(_QUANTILES.values()))
            quantiles = {n: round(float(v), 1) for n, v in zip(_QUANTILES, found, strict=True)}
        rate = self.bytes_received / self.seconds if self.seconds > 0 else 0.0
        return {
            "outcome": self.outcome,
            "error": self.error or None,
            "qemu_counts": {
                "normal_pages": counters.get("normal", counters.get("present-pages", 0)),
                "duplicate_pages": counters.get("duplicate", 0),
                "xbzrle_pages": counters.get("xbzrle-pages", 0),
                "precopy_bytes": counters.get("precopy-bytes", 0),
                "downtime_bytes": counters.get("downtime-bytes", 0),
                "postcopy_bytes": counters.get("postcopy-bytes", 0),
                "multifd_bytes": counters.get("multifd-bytes", 0),
            },
            "pages_in_complete": self.stream.save_complete_pages,
            "rounds": self.rounds,
            "requests": self.requests_sent,
            "request_latency_us": quantiles,
            "pauses": self.pauses,
            "missing_pages": self.missing_pages,
            "bytes": self.bytes_received,
            "seconds": round(self.seconds, 6),
            "bytes_per_s": round(rate),
            **self._guest_summary,
        }

    def save(self, folder: Path | str) -> None:
        """Keep RAM and device state; see `migkit.live.saved` for the format.

        Parameters
        ----------
        folder : path
            Made if it is not there; what was saved there before is replaced.

        Raises
        ------
        InputError
            If it holds something else.
        StorageError
            If it cannot be written.
        """
        blocks = tuple(
            SavedBlock(block.name, block.used_length, block.page_bytes)
            for block in self.stream.ram_blocks
        )
        records = self.stream.records
        ram = records.loc[(records["name"] == "ram") & (records["kind"] == "start"), "section_id"]
        state = SavedState(
            self.stream.configuration,
            self.stream.page_size,
            blocks,
            self.devices,
            int(ram.iloc[0]) if len(ram) else 0,
            self.description,
            bool((records["name"] == "SWITCHOVER_START").any()),
            self.outcome,
        )
        rams = [self.ram(block.name) for block in blocks]
        write_saved(Path(folder), state, rams)


def reception_of(destination: Destination, error: str) -> Reception:
    """Put together what a destination has."""
    reading, arena, requests = destination.reading, destination.arena, destination.requests
    described = reading.stream.description
    states = tuple(
        device_state(s.body, described, s.name, (s.instance_id, s.version_id), range(len(s.body)))
        for s in destination.sections.listed
        if s.kind == "full"
    )
    size = sum(cursor.place for cursor in destination.main_cursors) - destination.file_offset
    stream = reading.stream_of("received", size, destination.file, states, None)
    return Reception(
        outcome=destination.state,
        error=error,
        stream=stream,
        devices=tuple(destination.sections.listed),
        requests_sent=requests.sent if requests else 0,
        pauses=destination.pauses,
        missing_pages=arena.missing if arena else 0,
        bytes_received=destination.bytes,
        seconds=destination.ended_s - destination.began_s,
        description=destination.description,
        _arena=arena,
        _requests=request_columns(requests),
        **_of_guest(destination),
    )


def _of_guest(destination: Destination) -> dict[str, Any]:
    came, completed = destination.guest, destination.state == "completed"
    if came is None:
        return {}
    return {
        "guest": came.guest if completed else None,
        "_faults": came.account.columns(),
        "_guest_summary": came.summary(destination.state),
    }
