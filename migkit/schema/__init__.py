"""What every value means: codes, trace events and the columns of every frame, as plain data.

Importing this package loads nothing but the standard library. Position in a tuple is the code
the engine writes, so the order of `STATES`, `DECISIONS`, `SYNC_REASONS`, `CHECKPOINTS` and
`EVENTS` never changes; new names are added at the end.
"""

from __future__ import annotations

from .codes import (
    CHECKPOINTS,
    COMMANDS,
    DECISIONS,
    DESTINATION_CHECKPOINTS,
    OTHER_STATES,
    REPLIES,
    RUN_STATES,
    STATES,
    SYNC_REASONS,
)
from .column import Column
from .columns import EVENT_FRAME, FAULTS, FRAMES, ITERATIONS, MARGINS, ROUNDS, WINDOWS
from .events import EVENT_CODES, EVENTS, MAX_ARGUMENTS, Argument, Event
from .recording import RECORDING
from .stream_columns import (
    STREAM_BLOCKS,
    STREAM_CHANNELS,
    STREAM_DEVICES,
    STREAM_DISCARDS,
    STREAM_MESSAGES,
    STREAM_PACKETS,
    STREAM_PAGE_KINDS,
    STREAM_PAGES,
    STREAM_RECORD_KINDS,
    STREAM_RECORDS,
    STREAM_ROUNDS,
)
from .summary import SUMMARY, SummaryField
from .switchover_columns import COMMAND_FRAME, DOWNTIME, SECTIONS
from .tap_columns import (
    TAP_CONNECTION_KINDS,
    TAP_CONNECTIONS,
    TAP_INTERVALS,
    TAP_REQUESTS,
    TAP_ROUNDS,
    TAP_SECTIONS,
)

__all__ = [
    "CHECKPOINTS",
    "COMMANDS",
    "COMMAND_FRAME",
    "DECISIONS",
    "DESTINATION_CHECKPOINTS",
    "DOWNTIME",
    "EVENTS",
    "EVENT_CODES",
    "EVENT_FRAME",
    "FAULTS",
    "FRAMES",
    "ITERATIONS",
    "MARGINS",
    "MAX_ARGUMENTS",
    "OTHER_STATES",
    "RECORDING",
    "REPLIES",
    "ROUNDS",
    "RUN_STATES",
    "SECTIONS",
    "STATES",
    "STREAM_BLOCKS",
    "STREAM_CHANNELS",
    "STREAM_DEVICES",
    "STREAM_DISCARDS",
    "STREAM_MESSAGES",
    "STREAM_PACKETS",
    "STREAM_PAGES",
    "STREAM_PAGE_KINDS",
    "STREAM_RECORDS",
    "STREAM_RECORD_KINDS",
    "STREAM_ROUNDS",
    "SUMMARY",
    "SYNC_REASONS",
    "TAP_CONNECTIONS",
    "TAP_CONNECTION_KINDS",
    "TAP_INTERVALS",
    "TAP_REQUESTS",
    "TAP_ROUNDS",
    "TAP_SECTIONS",
    "WINDOWS",
    "Argument",
    "Column",
    "Event",
    "SummaryField",
]
