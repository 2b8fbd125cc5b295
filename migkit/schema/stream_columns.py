"""Columns of the frames that a migration stream gives."""

from __future__ import annotations

from typing import Final

from .column import Column

STREAM_RECORD_KINDS: Final = (
    "configuration",
    "start",
    "part",
    "end",
    "full",
    "command",
    "eof",
    "vmdescription",
)
"""Records of a main stream: migration/savevm.h (``QEMU_VM_*``)."""

STREAM_PAGE_KINDS: Final = ("normal", "zero", "xbzrle")
"""Page records: migration/ram.c (``RAM_SAVE_FLAG_*``)."""

STREAM_CHANNELS: Final = ("main", "multifd", "preempt")
"""What carries pages: the main stream, multifd channels, the channel for requested pages."""

_SAVEVM = "migration/savevm.c"
_RAM = "migration/ram.c"
_OFFSET = Column("offset", "Int64", "bytes", "where it begins in its file", _SAVEVM)
_BYTES = Column("bytes", "Int64", "bytes", "all of it, head and footer included", _SAVEVM)
_ROUND = Column("round", "Int64", "", "sweep through RAM, from 0", f"{_RAM} (find_dirty_block)")
_CHANNEL = Column("channel", "category", "", "what carried it", "", STREAM_CHANNELS)
_PAGES = (
    Column("normal_pages", "Int64", "pages", "pages sent with contents", "counter normal_pages"),
    Column("zero_pages", "Int64", "pages", "zero pages sent", "counter zero_pages"),
    Column("xbzrle_pages", "Int64", "pages", "pages sent as differences", f"{_RAM} (XBZRLE)"),
)
_PAGE_BYTES = Column("page_bytes", "Int64", "bytes", "their records", "ram_transferred_add")

STREAM_RECORDS: Final = (
    _OFFSET,
    _BYTES,
    Column("kind", "category", "", "what it is", _SAVEVM, STREAM_RECORD_KINDS),
    Column("section_id", "Int64", "", "id of the section", _SAVEVM),
    Column("name", "str", "", "handler of a section, name of a command", _SAVEVM),
    Column("instance_id", "Int64", "", "instance of the handler", _SAVEVM),
    Column("version_id", "Int64", "", "version of the handler's format", _SAVEVM),
    Column("value", "Int64", "", "of PING; ranges of a discard; bytes of a package", _SAVEVM),
    Column("in_package", "boolean", "", "it lies in the package of postcopy", _SAVEVM),
    Column("connection", "Int64", "", "0, and one more after each recovery", _SAVEVM),
    Column("round", "Int64", "", "round of its last page", f"{_RAM} (find_dirty_block)"),
    *_PAGES,
    _PAGE_BYTES,
    Column("xbzrle_bytes", "Int64", "bytes", "of differences", "counter xbzrle-cache.bytes"),
    Column("multifd_flushes", "Int64", "", "words MULTIFD_FLUSH", f"{_RAM} (multifd)"),
)
"""One row for each record of the main stream. ``kind`` end of ``ram`` is ``save_complete``."""

STREAM_ROUNDS: Final = (
    _CHANNEL,
    _ROUND,
    Column("offset", "Int64", "bytes", "its first page's record", _RAM),
    Column("record", "Int64", "", "row of the record with its first page", _SAVEVM),
    *_PAGES,
    _PAGE_BYTES,
)
"""One row for each sweep through RAM."""

STREAM_BLOCKS: Final = (
    Column("name", "str", "", "idstr of the RAM block", f"{_RAM} (ram_save_setup)"),
    Column("used_length", "Int64", "bytes", "size of it", f"{_RAM} (ram_save_setup)"),
    Column("first_page", "Int64", "page", "its first page, through all blocks", _RAM),
    Column("page_size", "Int64", "bytes", "of its host pages, where told", _RAM),
    Column("bitmap_offset", "Int64", "bytes", "mapped-ram: its bitmap in the file", _RAM),
    Column("pages_offset", "Int64", "bytes", "mapped-ram: its pages in the file", _RAM),
    Column("present_pages", "Int64", "pages", "mapped-ram: pages that the file holds", _RAM),
)
"""One row for each RAM block."""

STREAM_PAGES: Final = (
    Column("order", "Int64", "", "position among all page records", _RAM),
    Column("page", "Int64", "page", "number through all blocks in the stream's order", _RAM),
    _ROUND,
    Column("kind", "category", "", "how it was sent", _RAM, STREAM_PAGE_KINDS),
    Column("offset", "Int64", "bytes", "its record, or its packet", _RAM),
    Column("record", "Int64", "", "row of the record it lies in", _SAVEVM),
    _CHANNEL,
)
"""One row for each page that was sent, every resend included."""

STREAM_PACKETS: Final = (
    Column("channel_id", "Int64", "", "id from the hello", "migration/multifd.c"),
    _OFFSET,
    _BYTES,
    Column("kind", "str", "", "pages, sync or device-state", "migration/multifd.h"),
    Column("packet_num", "Int64", "", "QEMU's number", "migration/multifd.h"),
    Column("method", "str", "", "compression of the payload", "migration/multifd.h"),
    Column("name", "str", "", "RAM block, or handler", "migration/multifd.h"),
    Column("normal_pages", "Int64", "pages", "with contents", "migration/multifd.h"),
    Column("zero_pages", "Int64", "pages", "without", "migration/multifd.h"),
)
"""One row for each packet of a multifd channel."""

STREAM_DISCARDS: Final = (
    Column("offset", "Int64", "bytes", "of the command", _SAVEVM),
    Column("block", "str", "", "RAM block", "migration/postcopy-ram.c"),
    Column("start", "Int64", "bytes", "within the block", "migration/postcopy-ram.c"),
    Column("length", "Int64", "bytes", "of the range", "migration/postcopy-ram.c"),
)
"""One row for each range that the destination throws away before postcopy."""

STREAM_MESSAGES: Final = (
    _OFFSET,
    Column("name", "str", "", "the message", "migration/migration.h"),
    Column("value", "Int64", "", "of SHUT, PONG, RESUME_ACK; bytes of a bitmap", _SAVEVM),
    Column("block", "str", "", "RAM block it is about", _SAVEVM),
    Column("start", "Int64", "bytes", "of a request, within the block", _SAVEVM),
    Column("length", "Int64", "bytes", "of a request", _SAVEVM),
)
"""One row for each message of the return path."""

STREAM_DEVICES: Final = (
    Column("device", "str", "", "name of the device", "vmdesc"),
    Column("instance_id", "Int64", "", "instance of it", "vmdesc"),
    Column("field", "str", "", "path of the field in the device's state", "vmdesc"),
    Column("type", "str", "", "type of the field", "vmdesc"),
    Column("offset", "Int64", "bytes", "where it lies in the stream", "vmdesc"),
    Column("bytes", "Int64", "bytes", "size of it, all elements", "vmdesc"),
    Column("value", "str", "", "number or bytes in hexadecimal digits", "vmdesc"),
)
"""One row for each field of device state that is no struct."""
