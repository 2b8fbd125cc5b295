"""From the files of a migration's channels to a `Stream`."""

from __future__ import annotations

from collections.abc import Sequence

from migkit.errors import StreamError

from . import wire
from .cursor import Buffer, Cursor
from .device_lengths import Description
from .devices import DeviceState, device_state
from .gathering import Gathering
from .multifd import is_multifd, read_channel
from .page_records import PageChannel
from .records import MainStream, Record
from .return_path import read_return_path
from .source import Source, open_buffer
from .stream import Stream

__all__ = ["read_stream"]

_Described = tuple[Buffer, Description | None]


def read_stream(
    source: Source,
    *,
    channels: Sequence[Source] = (),
    return_path: Source | None = None,
    offset: int = 0,
    pages: bool = True,
    partial: bool = False,
) -> Stream:
    """Read a migration stream: of ``migrate file:``, of ``exec:``, or of a tap of its sockets.

    Parameters
    ----------
    source : path, bytes or binary file
        The main stream. A file is mapped, a pipe copied to a temporary file first.
    channels : sequence of the same
        What else the source sent, in any order but for recovered connections, which come in
        theirs: multifd channels, the channel of postcopy-preempt, main streams after a recovery.
    return_path : the same, optional
        What the destination sent on the main connection.
    offset : int
        Where the stream begins in its file, bytes.
    pages : bool
        Whether every page record is kept (about 25 bytes each), for `Stream.pages`,
        `Stream.page_map` and `page_history`. Sums are there in any case.
    partial : bool
        Whether a main stream that breaks off or is malformed is read as far as it goes;
        `Stream.error` says where it breaks.

    Returns
    -------
    Stream
        Frames, counters and device state.

    Raises
    ------
    StreamError
        If a channel cannot be read, or at the first offset that does not hold what it must.

    Examples
    --------
    >>> head = bytes.fromhex("5145564d 00000003 07 00000004 6e6f6e65")
    >>> read_stream(head + bytes(1)).configuration.machine
    'none'
    >>> read_stream(head)
    Traceback (most recent call last):
        ...
    migkit.errors.StreamError: offset 17 (0x11), record · type of a record needs 1 B and 0 B are \
left · give the whole stream, or read as far as it goes with partial
    """
    name, data = open_buffer(source)
    if not 0 <= offset <= len(data):
        raise StreamError.of(
            f"offset {offset}", f"allowed 0..{len(data)} B", "give one inside the file"
        )
    reading = _Reading(MainStream(keep=pages), keep=pages)
    error = reading.main(data, offset, partial=partial)
    for channel in channels:
        reading.channel(open_buffer(channel)[1], partial=partial)
    messages = read_return_path(open_buffer(return_path)[1]) if return_path is not None else ()
    for message in messages:
        reading.tables["messages"].add(message)
    return reading.result(name, len(data) - offset, data, error)


class _Reading(Gathering):
    """What comes together while the channels of one migration are read."""

    def __init__(self, stream: MainStream, *, keep: bool) -> None:
        super().__init__(stream, keep=keep)
        self._described: list[tuple[_Described, Record]] = []
        self._more = 0

    def main(self, data: Buffer, offset: int, *, partial: bool) -> StreamError | None:
        """Read a main stream, the first or one after a recovery."""
        self.connection += 1
        try:
            for record in self.stream.records(data, offset):
                self.add(record)
                if record.kind == "full":
                    self._described.append(((data, self.stream.description), record))
        except StreamError as error:
            if not partial:
                raise
            return error
        return None

    def channel(self, data: Buffer, *, partial: bool) -> None:
        """Read another channel, told by what it begins with."""
        if is_multifd(data):
            for packet in read_channel(data, self.stream.blocks):
                self.add_packet(data, packet)
        elif data[:1] == bytes([wire.COMMAND]):
            self.main(data, 0, partial=partial)
            self._more += len(data)
        else:
            cursor = Cursor(data)
            cursor.record = "channel of postcopy-preempt"
            urgent = PageChannel(self.stream.blocks, self.tally("preempt").take)
            urgent.read(cursor, self.rows - 1, framed=False)
            urgent.flush()

    def result(self, name: str, size: int, data: Buffer, error: StreamError | None) -> Stream:
        """Put the stream together."""
        devices = tuple(_device(*entry) for entry in self._described)
        return self.stream_of(name, size + self._more, data, devices, error)


def _device(described: _Described, record: Record) -> DeviceState:
    start = record.body_at or 0
    body = range(start, max(start, record.offset + record.length - wire.FOOTER_BYTES))
    ids = (record.instance_id or 0, record.version_id or 0)
    return device_state(*described, record.name, ids, body)
