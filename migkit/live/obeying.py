"""What a destination does at each record of the main stream.

Source: migration/savevm.c (qemu_loadvm_state_main, loadvm_process_command).
"""

from __future__ import annotations

from migkit.errors import MigkitError, StreamError
from migkit.stream.cursor import Buffer, Cursor
from migkit.stream.device_lengths import find_description, parse_description
from migkit.stream.mapped_ram import present_pages
from migkit.stream.records import Record
from migkit.stream.wire import MOST_VMDESC_BYTES
from migkit.stream.writing_messages import received_bitmap, resume_ack

from .channel_cursor import CutError
from .destination import Destination
from .faults import none
from .machine_types import waits_for_ack
from .requests import Requests

__all__ = ["receive_all", "receive_file"]

_RECORD_HEAD = 5


def receive_all(destination: Destination) -> None:
    """Receive a migration to its end.

    Parameters
    ----------
    destination : Destination
        Its channels come in.

    Raises
    ------
    MigkitError
        If it fails; what came until then is in the destination.
    """
    main = _Main(destination)
    destination.wait_for_main()
    while True:
        try:
            main.read(destination.cursor())
        except CutError as error:
            destination.pause(error)
        except MigkitError:
            if destination.failure is not None:  # that is why the main channel had to stop
                raise destination.failure from None
            raise
        else:
            break
    destination.finish()


def receive_file(destination: Destination, data: Buffer, offset: int) -> None:
    """Receive a migration that lies in a file, mapped-ram too.

    Parameters
    ----------
    destination : Destination
        Without a listener.
    data : buffer
        The file.
    offset : int
        Where the stream begins in it.

    Raises
    ------
    StreamError
        At the first thing that is wrong.
    """
    cursor = Cursor(data, offset)
    destination.follow(cursor)
    destination.file, destination.file_offset = data, offset
    destination.reading.connection += 1
    destination.reading.stream.description = find_description(data, offset)
    destination.wait_for_main()
    _Main(destination).read(cursor)
    arena = destination.memory()
    size = arena.blocks.page_size
    for block in arena.blocks.listed:
        if block.pages_offset is not None:
            pages = present_pages(data, block, size)
            arena.fill(pages + block.first_page, data, block.pages_offset + pages * size)
            arena.received[block.first_page :][: block.used_length // size] = True
    destination.finish()


class _Main:
    """Acts on records; what it remembers holds over a recovery."""

    def __init__(self, destination: Destination) -> None:
        self._to = destination
        self._flushed = False

    def read(self, cursor: Cursor) -> None:
        """Read a main stream."""
        reading = self._to.reading
        for record in reading.stream.read(cursor):
            reading.add(record)
            if self._to.watch.reason and not cursor.live:
                watch = self._to.watch
                raise StreamError.at(cursor.place, "file", watch.reason, watch.remedy)
            if record.kind == "command":
                self._command(record)
            elif record.kind == "vmdescription":
                self._description(record, cursor)
            elif record.flushes is not None:
                self._ram(record)
            elif record.kind in {"start", "part", "end", "full"}:
                self._to.sections.add(record, cursor)
                if self._to.guest is not None:
                    self._to.guest.take(self._to.sections.listed[-1])

    def _description(self, record: Record, cursor: Cursor) -> None:
        at = record.offset - cursor.base
        if record.length - _RECORD_HEAD > MOST_VMDESC_BYTES:
            self._to.settings.warn(
                f"a description of devices of {record.length - _RECORD_HEAD} B is left out, "
                f"allowed {MOST_VMDESC_BYTES} B"
            )
            return
        text = bytes(cursor.data[at + _RECORD_HEAD : at + record.length])
        self._to.description = text
        self._to.reading.stream.description = parse_description(text, record.offset)

    def _ram(self, record: Record) -> None:
        """Let machine types up to 8.0 meet at each section's end; later ones say where they do."""
        if record.kind == "start":
            self._to.memory()
            self._flushed = bool(record.flushes)
        if not self._flushed and not self._to.in_postcopy:
            self._to.multifd.flush(told=False)

    def _command(self, record: Record) -> None:
        act = {
            "OPEN_RETURN_PATH": self._open_return_path,
            "PING": self._ping,
            "POSTCOPY_RAM_DISCARD": self._discard,
            "POSTCOPY_LISTEN": self._listen,
            "POSTCOPY_RUN": self._run,
            "RECV_BITMAP": self._send_bitmap,
            "POSTCOPY_RESUME": self._resume,
        }.get(record.name)
        if act is not None:
            act(record)

    def _open_return_path(self, record: Record) -> None:
        self._to.replies.opened = True
        machine = self._to.reading.stream.configuration.machine
        if self._to.settings.switchover_ack and waits_for_ack(machine):
            self._to.replies.acknowledge_switchover()

    def _ping(self, record: Record) -> None:
        self._to.replies.pong(record.value or 0)

    def _discard(self, record: Record) -> None:
        arena = self._to.arena
        for item in self._to.reading.stream.command.discards:
            if arena is None or not arena.discard(item.block, item.start, item.length):
                raise StreamError.at(
                    record.offset,
                    "command POSTCOPY_RAM_DISCARD",
                    f"{item.length} B at {item.start} of {item.block}, which RAM does not have",
                    "give the stream as QEMU wrote it",
                )

    def _listen(self, record: Record) -> None:
        if self._to.arena is None or self._to.requests is not None:
            raise StreamError.at(
                record.offset, "command POSTCOPY_LISTEN", "before RAM, or twice", "see the source"
            )
        guest, settings = self._to.guest, self._to.settings
        pattern = settings.faults or none if guest is None else guest.listen()
        account = None if guest is None else guest.account
        self._to.requests = Requests(
            pattern, self._to.arena, self._to.replies.request, settings.seed, account
        )
        if guest is not None:
            guest.follow(self._to.requests.placed)
        self._to.listen()

    def _run(self, record: Record) -> None:
        if self._to.state != "postcopy-device" or self._to.requests is None:
            raise StreamError.at(
                record.offset, "command POSTCOPY_RUN", f"while {self._to.state}", "see the source"
            )
        self._to.state = "postcopy-active"
        self._to.requests.start()
        if self._to.guest is not None:
            self._to.guest.run()

    def _send_bitmap(self, record: Record) -> None:
        block = self._to.reading.stream.command.block
        received = self._to.arena.received_of(block) if self._to.arena is not None else None
        if received is None or not self._to.in_postcopy:
            raise StreamError.at(
                record.offset,
                "command RECV_BITMAP",
                f"block {block[:40]!r} while {self._to.state}",
                "resume a postcopy that was paused",
            )
        self._to.replies.send(received_bitmap(block, received))

    def _resume(self, record: Record) -> None:
        if self._to.state != "postcopy-recover" or self._to.requests is None:
            raise StreamError.at(
                record.offset,
                "command POSTCOPY_RESUME",
                f"while {self._to.state}",
                "see the source",
            )
        self._to.state = "postcopy-active"
        self._to.replies.send(resume_ack())
        self._to.requests.resumed()
