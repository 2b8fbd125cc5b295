"""Columns of the frames about the switchover, and the commands that lead to it."""

from __future__ import annotations

from typing import Final

from .codes import COMMANDS, REPLIES
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
    Column("bytes", "Int64", "bytes", "what was put, frame included", "migration/qemu-file.c"),
)
"""One row for each section of a migration with handlers beside RAM."""
