"""Columns of the frames about the switchover, and the commands that lead to it."""

from __future__ import annotations

from typing import Final

from .codes import CHECKPOINTS, COMMANDS, DESTINATION_CHECKPOINTS, REPLIES
from .column import Column, time_column

COMMAND_FRAME: Final = (
    time_column("t_ns", "the side acts on it", "migration/migration.c (qmp_migrate_*)"),
    Column("command", "category", "", "command, or what happened", "QMP", COMMANDS),
    Column("to_destination", "boolean", "", "the destination got it, not the source", "QMP"),
    Column("reply", "category", "", "what QEMU answered", "QMP error descriptions", REPLIES),
)
"""One row for each command of the timeline that was given."""

SECTIONS: Final = (
    time_column("t_ns", "start of the section", "trace savevm_section_start"),
    time_column("end_ns", "end of the section", "trace savevm_section_end"),
    Column("pass", "Int64", "", "row of the pass among the iterations", "migration_iteration_run"),
    Column("handler", "str", "", "who wrote it", "trace savevm_section_start (id)"),
    Column(
        "bytes",
        "Int64",
        "bytes",
        "what was put, frame included; known of simulations: devices, and RAM beside handlers",
        "migration/qemu-file.c",
    ),
)
"""One row for each section of a handler and of a device, by time."""

_MARK = "trace vmstate_downtime_checkpoint"

DOWNTIME: Final = (
    time_column("t_ns", "the checkpoint is passed", _MARK),
    Column("side", "category", "", "who passes it", _MARK, ("source", "dest")),
    Column("checkpoint", "category", "", "its name", _MARK, CHECKPOINTS + DESTINATION_CHECKPOINTS),
    Column("since_start_ns", "Int64", "ns", "since src-downtime-start", _MARK),
    Column("step_ns", "Int64", "ns", "since the checkpoint before, of either side", _MARK),
)
"""One row for each checkpoint of the downtime, by time."""
