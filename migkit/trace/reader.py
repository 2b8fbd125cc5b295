"""Reading a trace log: plain or gzip, any form, in pieces, every distinct message kept once."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np

from migkit.errors import InputError, TraceLogError

from .eventlog import NO_TIME, SIDES, EventLog, Form, Ints
from .registry import is_known
from .stamps import NAME, Layout, layout_of

_PIECE_BYTES: Final = 8 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_EXPECTED: Final = (
    "a trace log has lines such as 'ram_save_complete dirty=0, done=1', bare or after "
    "'pid@seconds.microseconds:' or an ISO time stamp"
)
_FIX: Final = "give the file that qemu wrote with -trace (plain text or .gz)"


def read_log(
    path: str | PathLike[str], side: str = "source", epoch_ns: int | None = None
) -> EventLog:
    """Read a trace log of QEMU.

    Parameters
    ----------
    path : path-like
        The log, plain text or gzip (told by its first bytes, not by its name).
    side : str
        Whose log it is: ``source`` or ``dest``.
    epoch_ns : int, optional
        Wall-clock time that becomes t_ns 0. Without it: the first state ``setup`` of the source
        or ``active`` of the destination, or else the first line.

    Returns
    -------
    EventLog
        All events in the order of the file. A last line without line end is left out and kept
        as `torn_line`; lines that are no trace lines are counted in `skipped_lines`.

    Raises
    ------
    TraceLogError
        The file cannot be read, its gzip is cut off, or it holds no trace line.
    InputError
        `side` is neither of the two.
    """
    if side not in SIDES:
        raise InputError.of(f"side {side!r}", "allowed source, dest", "say whose log it is")
    name = Path(path)
    lines = _Lines()
    try:
        with _opened(name) as file:
            for piece in _whole_lines(file, lines):
                lines.add(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceLogError.of(
            f"read trace log {name}", f"its gzip data is cut off or damaged ({error})", _FIX
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise TraceLogError.of(f"read trace log {name}", reason, _FIX) from error
    return lines.log(name, side, epoch_ns)


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        magic = file.read(len(_GZIP_MAGIC))
    return cast(BinaryIO, gzip.open(path) if magic == _GZIP_MAGIC else path.open("rb"))


def _whole_lines(file: BinaryIO, lines: _Lines) -> Iterator[bytes]:
    rest = b""
    while piece := file.read(_PIECE_BYTES):
        head, end, tail = piece.rpartition(b"\n")
        if end:
            yield (rest + head + end).replace(b"\r\n", b"\n")
            rest = tail
        else:
            rest += piece
    lines.torn_line = rest.decode("utf-8", "replace")


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the lines of one piece say; -1 is a line not read."""

    times: Ints
    pids: Ints
    indices: Ints

    @classmethod
    def unread(cls, count: int) -> _Rows:
        times = np.full(count, NO_TIME, dtype=np.int64)
        return cls(times, np.zeros(count, np.int64), np.full(count, -1, np.int64))


class _Lines:
    """What has been read so far."""

    def __init__(self) -> None:
        self.layout: Layout | None = None
        self.times: list[Ints] = []
        self.pids: list[Ints] = []
        self.indices: list[Ints] = []
        self.positions: dict[bytes, int] = {}
        self.line_count = 0
        self.torn_line = ""

    def add(self, piece: bytes) -> None:
        """Add a piece that ends with a line end."""
        buffer = np.frombuffer(piece, dtype=np.uint8)
        ends = np.flatnonzero(buffer == ord("\n"))
        starts = np.concatenate(([0], ends[:-1] + 1))
        self.line_count += len(ends)
        if self.layout is None:
            self.layout = _first_layout(piece)
        if self.layout is None:
            return
        width = self.layout.width
        long_enough = np.flatnonzero(ends - starts > width)
        heads = buffer[starts[long_enough][:, None] + np.arange(width)]
        fits = self.layout.fits(heads)
        rows = _Rows.unread(len(ends))
        good = long_enough[fits]
        rows.times[good] = self.layout.times(heads[fits])
        rows.pids[good] = self.layout.pids(heads[fits])
        rows.indices[good] = self._messages(piece, starts[good] + width, ends[good])
        for row in np.flatnonzero(rows.indices < 0).tolist():
            self._add_odd(piece[starts[row] : ends[row]], row, rows)
        kept = rows.indices >= 0
        self.times.append(rows.times[kept])
        self.pids.append(rows.pids[kept])
        self.indices.append(rows.indices[kept])

    def _messages(self, piece: bytes, starts: Ints, ends: Ints) -> Ints:
        """Give each message a position, the same for equal ones."""
        import pyarrow as pa

        # Between two messages lie a line end and a stamp: every second value is a message.
        offsets = np.stack([starts, ends], axis=1).ravel().astype(np.int32)
        if not len(offsets):
            return np.empty(0, dtype=np.int64)
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(piece)]
        values = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)
        coded = values.take(pa.array(np.arange(0, len(values), 2))).dictionary_encode()
        known = [
            self.positions.setdefault(message, len(self.positions))
            for message in coded.dictionary.to_pylist()
        ]
        return np.array(known, dtype=np.int64)[coded.indices.to_numpy()]

    def _add_odd(self, line: bytes, row: int, rows: _Rows) -> None:
        """Read a line whose stamp is wider or narrower than the first one's."""
        layout = layout_of(line, [self.layout.form]) if self.layout else None
        if layout is None:
            return
        head = np.frombuffer(layout.stamp, dtype=np.uint8)[None, :]
        rows.times[row] = layout.times(head)[0]
        rows.pids[row] = layout.pids(head)[0]
        message = line[layout.width :]
        rows.indices[row] = self.positions.setdefault(message, len(self.positions))

    def log(self, path: Path, side: str, epoch_ns: int | None) -> EventLog:
        """Make the log of everything read; `path` is for error messages."""
        if self.layout is None or not self.indices:
            found = "it is empty" if not self.line_count else f"no trace line in {path.name}"
            if self.torn_line and not self.line_count:
                found = "its only line has no line end, so it may be cut off"
            raise TraceLogError.of(f"read trace log {path}", f"{found}; {_EXPECTED}", _FIX)
        times, indices = np.concatenate(self.times), np.concatenate(self.indices)
        named = [re.match(NAME, message) is not None for message in self.positions]
        kept = np.array(named, dtype=bool)[indices]
        messages = [message.decode("utf-8", "replace") for message in self.positions]
        log = EventLog(
            side=side,
            t_ns=times[kept],
            message_index=indices[kept],
            messages=messages,
            form=self.layout.form,
            pids=np.concatenate(self.pids)[kept] if self.layout.form == "pid" else None,
            torn_line=self.torn_line,
            skipped_lines=self.line_count - int(kept.sum()),
        )
        _require_trace_lines(log, path)
        return _from_zero(log, epoch_ns)


def _first_layout(piece: bytes) -> Layout | None:
    lines = piece.splitlines()
    orders: Iterable[tuple[Form, ...]] = (("iso", "pid"), ("bare",))
    for forms in orders:
        for line in lines:
            layout = layout_of(line, forms)
            if layout is not None:
                return layout
    return None


def _require_trace_lines(log: EventLog, path: Path) -> None:
    # Any word may start a line of prose, so a bare log must have at least one known event.
    known = log.has_times or any(is_known(event) for event in log.events)
    if not len(log) or not known:
        raise TraceLogError.of(
            f"read trace log {path}", f"no trace line in {path.name}; {_EXPECTED}", _FIX
        )


def _from_zero(log: EventLog, epoch_ns: int | None) -> EventLog:
    if not log.has_times:
        return log
    if epoch_ns is None:
        begin = "setup" if log.side == "source" else "active"
        states = log.texts("migrate_set_state", "new_state")
        first = states.index(begin) if begin in states else None
        times = log.times("migrate_set_state")
        epoch_ns = int(log.t_ns[0] if first is None else times[first])
    return replace(log, t_ns=log.t_ns - epoch_ns, epoch_ns=epoch_ns)
