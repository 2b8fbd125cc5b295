"""Columns of the frames that a tap gives: those of a stream, with times."""

from __future__ import annotations

from typing import Final

from .column import Column
from .stream_columns import STREAM_RECORDS, STREAM_ROUNDS

TAP_CONNECTION_KINDS: Final = ("main", "multifd", "preempt", "tls", "unknown")
"""What a connection to the destination is, by what it begins with."""

_TAP = "migkit tap"
_RAM = "migration/ram.c"


def _time(name: str, meaning: str) -> Column:
    return Column(name, "Int64", "ns", f"{meaning}, after the first byte of the migration", _TAP)


TAP_SECTIONS: Final = (
    *STREAM_RECORDS,
    _time("first_ns", "when its first byte passed"),
    _time("last_ns", "when its last byte passed"),
)
"""One row for each record of the main stream."""

TAP_ROUNDS: Final = (
    *STREAM_ROUNDS,
    _time("first_ns", "when the section passed in which it begins; main stream only"),
)
"""One row for each sweep through RAM."""

TAP_INTERVALS: Final = (
    _time("begin_ns", "begin of the interval"),
    Column("to_destination_bytes", "Int64", "bytes", "passed to the destination", _TAP),
    Column("to_source_bytes", "Int64", "bytes", "passed to the source", _TAP),
    Column("normal_pages", "Int64", "pages", "pages with contents", "counter normal_pages"),
    Column("zero_pages", "Int64", "pages", "zero pages", "counter zero_pages"),
    Column("xbzrle_pages", "Int64", "pages", "pages sent as differences", f"{_RAM} (XBZRLE)"),
)
"""One row for each 100 ms, those without a byte too."""

TAP_REQUESTS: Final = (
    _time("asked_ns", "when the request passed"),
    Column("block", "str", "", "RAM block", "migration/migration.c (REQ_PAGES)"),
    Column("page", "Int64", "page", "first page, within the block", "migration/migration.c"),
    Column("pages", "Int64", "", "pages of the request", "migration/migration.c"),
    Column("latency_ns", "Int64", "ns", "until the first page passed; unknown if it had", _TAP),
)
"""One row for each request of the return path."""

TAP_CONNECTIONS: Final = (
    Column("kind", "category", "", "what it is", _TAP, TAP_CONNECTION_KINDS),
    _time("first_ns", "when its first byte passed"),
    _time("last_ns", "when its last byte passed"),
    Column("to_destination_bytes", "Int64", "bytes", "passed to the destination", _TAP),
    Column("to_source_bytes", "Int64", "bytes", "passed to the source", _TAP),
)
"""One row for each connection, in the order in which they came."""
