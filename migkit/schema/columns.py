"""The columns of every frame: name, dtype, unit, meaning and where QEMU has the value.

``Int64`` is pandas' nullable integer: what a log cannot tell is NA there. Class columns
(``category``) have the matching tuple of `migkit.schema.codes` as ordered categories.
"""

from __future__ import annotations

from typing import Final

from .codes import DECISIONS, OTHER_STATES, STATES, SYNC_REASONS
from .column import Column, time_column
from .switchover_columns import COMMAND_FRAME, DOWNTIME, SECTIONS

_ALL_STATES = (*STATES, *OTHER_STATES)
_RAM = "migration/ram.c"
_LOOP = "migration/migration.c (migration_iteration_run)"


def _threshold(when: str) -> Column:
    return Column(
        "threshold_size_bytes",
        "Int64",
        "bytes",
        f"most that may be pending for completion, {when}",
        "trace migrate_transferred (max_size)",
    )


def _sent(name: str, meaning: str, source: str) -> Column:
    return Column(name, "Int64", "pages", meaning, source)


ITERATIONS: Final = (
    time_column("t_ns", "start of the pass", "trace migrate_pending_estimate"),
    Column(
        "state",
        "category",
        "",
        "state of the migration when the pass starts",
        "trace migrate_set_state",
        _ALL_STATES,
    ),
    Column(
        "in_postcopy",
        "boolean",
        "",
        "the pass runs after the switch to postcopy",
        _LOOP,
    ),
    Column(
        "pending_estimate_bytes",
        "Int64",
        "bytes",
        "pending size that costs no dirty-bitmap sync",
        "trace migrate_pending_estimate (size)",
    ),
    Column(
        "pending_exact_bytes",
        "Int64",
        "bytes",
        "pending size after asking exactly; NA when the pass did not ask",
        "trace migrate_pending_exact (size)",
    ),
    _threshold("as the pass sees it"),
    Column("decision", "category", "", "what the pass decided", _LOOP, DECISIONS),
    time_column("end_ns", "end of the pass", "trace savevm_section_end"),
    Column(
        "transferred_bytes",
        "Int64",
        "bytes",
        "bytes flushed to the stream during the pass",
        "counter qemu_file_transferred; trace migration_transferred_bytes",
    ),
    _sent(
        "normal_pages",
        "pages sent with their contents in the pass",
        "counter normal_pages",
    ),
    _sent("zero_pages", "zero pages sent in the pass", "counter zero_pages"),
)
"""One row for each pass of the migration thread's loop."""

ROUNDS: Final = (
    time_column("t_ns", "start of the sync", "trace migration_bitmap_sync_start"),
    time_column("end_ns", "end of the sync", "trace migration_bitmap_sync_end"),
    Column(
        "reason",
        "category",
        "",
        "who asked for the sync",
        f"callers of {_RAM} (migration_bitmap_sync)",
        SYNC_REASONS,
    ),
    Column(
        "new_dirty_pages",
        "Int64",
        "pages",
        "pages this sync found newly dirty",
        f"{_RAM} (migration_bitmap_sync), difference of num_dirty_pages_period",
    ),
    Column(
        "period_dirty_pages",
        "Int64",
        "pages",
        "pages found newly dirty since the running period of more than 1 s began",
        "trace migration_bitmap_sync_end (dirty_pages)",
    ),
    Column(
        "remaining_pages",
        "Int64",
        "pages",
        "pages left to send after the sync",
        f"{_RAM} (migration_dirty_pages)",
    ),
    Column(
        "transferred_bytes",
        "Int64",
        "bytes",
        "bytes flushed since the migration began, when the sync starts",
        "counter qemu_file_transferred",
    ),
    _threshold("when the sync starts"),
    _sent("normal_pages", "pages sent with contents so far", "counter normal_pages"),
    _sent("zero_pages", "zero pages sent so far", "counter zero_pages"),
    Column(
        "dirty_pages_rate_per_s",
        "Int64",
        "pages/s",
        "dirty-pages-rate as query-migrate gives it after the sync",
        f"{_RAM} (migration_update_rates)",
    ),
    Column(
        "cpu_throttle_percentage",
        "Int64",
        "%",
        "throttle of the guest's vCPUs from this sync on, 0 for none",
        "trace cpu_throttle_set",
    ),
)
"""One row for each dirty-bitmap sync: what papers call an iteration."""

WINDOWS: Final = (
    time_column("t_ns", "end of the window", "trace migrate_transferred"),
    Column(
        "transferred_bytes",
        "Int64",
        "bytes",
        "bytes flushed in the window",
        "trace migrate_transferred (transferred)",
    ),
    Column(
        "time_spent_ms",
        "Int64",
        "ms",
        "length of the window",
        "trace migrate_transferred (time_spent)",
    ),
    Column(
        "bandwidth_bytes_per_ms",
        "Int64",
        "bytes/ms",
        "measured bandwidth of the window",
        "trace migrate_transferred (bandwidth)",
    ),
    Column(
        "switchover_bandwidth_bytes_per_ms",
        "Int64",
        "bytes/ms",
        "avail-switchover-bandwidth, used instead of the measured one; 0 when not given",
        "trace migrate_transferred (switchover_bw)",
    ),
    _threshold("from this window on"),
)
"""One row for each closed window of at least 100 ms."""

FAULTS: Final = (
    Column("block", "str", "", "RAM block of the page", "trace ram_save_queue_pages"),
    Column(
        "page",
        "Int64",
        "page",
        "page within the block",
        "trace get_queued_page (page_abs)",
    ),
    time_column(
        "fault_ns",
        "the destination asks for the page",
        "trace postcopy_ram_fault_thread_request (destination)",
    ),
    time_column(
        "request_ns",
        "the request reaches the source",
        "trace migrate_handle_rp_req_pages",
    ),
    time_column(
        "sent_ns",
        "the source sends the page for the request; NA when it had gone already",
        "trace get_queued_page",
    ),
    time_column(
        "placed_ns",
        "the page is in place",
        "trace postcopy_blocktime_end (destination)",
    ),
    Column("vcpu", "Int64", "", "the vCPU that waits", "trace postcopy_blocktime_begin (cpu)"),
)
"""One row for each page the destination asked for in postcopy."""

EVENT_FRAME: Final = (
    time_column("t_ns", "time of the event", "time stamp of the trace line"),
    Column("side", "str", "", "source or dest", "the log the line stands in"),
    Column("event", "str", "", "name of the trace event", "migration/trace-events"),
    Column(
        "arguments",
        "str",
        "",
        'arguments as a JSON object with sorted keys; {"text": ...} for an unknown event',
        "text of the trace line",
    ),
    Column(
        "thread_id",
        "Int64",
        "",
        "number before the @ of a trace line; NA for the other forms",
        "gettid or getpid of the thread that traced",
    ),
)
"""One row for each trace event, in the order of time."""

MARGINS: Final = (
    time_column("t_ns", "start of the pass", "trace migrate_pending_estimate"),
    Column(
        "decision",
        "category",
        "",
        "what hung on the comparison",
        _LOOP,
        ("exact_wanted", *DECISIONS[1:]),
    ),
    Column("pending_bytes", "Int64", "bytes", "size that was compared", _LOOP),
    _threshold("as the pass sees it"),
    Column("margin_bytes", "Int64", "bytes", "how far the size was from the threshold", _LOOP),
    Column(
        "margin_ms",
        "float64",
        "ms",
        "the same as time in which the guest dirties as much; NaN where it dirties nothing here",
        f"{_RAM} (migration_bitmap_sync)",
    ),
)
"""One row for each comparison of a pass that the other side of the threshold would turn."""

FRAMES: Final = {
    "iterations": ITERATIONS,
    "rounds": ROUNDS,
    "windows": WINDOWS,
    "faults": FAULTS,
    "events": EVENT_FRAME,
    "commands": COMMAND_FRAME,
    "sections": SECTIONS,
    "downtime": DOWNTIME,
}
"""Name of a frame to its columns."""
