"""The trace events the engine writes: name, arguments, and the text QEMU prints for them.

A template is a Python format string over the arguments' printed texts; QEMU prints the event's
name, one blank and the filled template. The texts are those seen in logs of QEMU 10.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["int", "hex", "state", "checkpoint", "handler", "block", "text"]
"""How an argument is printed and coded.

``int`` and ``hex`` are numbers (``hex`` is printed with ``0x``); ``state`` and ``checkpoint`` are
positions in `migkit.schema.STATES` and `CHECKPOINTS`; ``handler`` and ``block`` are positions in
the recording's own lists of names; ``text`` is never written by the engine.
"""


@dataclass(frozen=True)
class Argument:
    """One argument of a trace event.

    Parameters
    ----------
    name : str
        The argument's name, the same for every QEMU version.
    kind : str
        How it is printed and coded, see `Kind`.
    unit : str
        Unit of the value; empty for names and codes.
    """

    name: str
    kind: Kind = "int"
    unit: str = ""


@dataclass(frozen=True)
class Event:
    """One trace event of migration/trace-events.

    Parameters
    ----------
    name : str
        QEMU's name of the event.
    arguments : tuple of Argument
        In the order in which QEMU prints them.
    template : str
        What is printed after the name and one blank.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    template: str = ""

    @property
    def argument_names(self) -> tuple[str, ...]:
        """Names of the arguments, in order."""
        return tuple(argument.name for argument in self.arguments)


def _pending(name: str, word: str) -> Event:
    sizes = tuple(Argument(part, "int", "bytes") for part in ("size", "pre", "post"))
    return Event(name, sizes, word + " pending size {size} (pre = {pre} post={post})")


def _queued(name: str) -> Event:
    place = (Argument("block", "block"), Argument("offset", "hex", "bytes"))
    return Event(
        name,
        (*place, Argument("page_abs", "hex", "page")),
        "{block}/{offset} page_abs={page_abs}",
    )


_SECTION = (Argument("id", "handler"), Argument("section_id"))
_REQUEST = (
    Argument("block", "block"),
    Argument("start", "hex", "bytes"),
    Argument("len", "hex", "bytes"),
)
_VALUE = (Argument("value", "hex"),)
_RET = (Argument("ret"),)

EVENTS: Final = (
    Event("migrate_set_state", (Argument("new_state", "state"),), "new state {new_state}"),
    Event("migration_thread_setup_complete"),
    _pending("migrate_pending_estimate", "estimate"),
    _pending("migrate_pending_exact", "exact"),
    Event(
        "migration_thread_low_pending",
        (Argument("pending", "int", "bytes"),),
        "{pending}",
    ),
    Event(
        "migrate_transferred",
        (
            Argument("transferred", "int", "bytes"),
            Argument("time_spent", "int", "ms"),
            Argument("bandwidth", "int", "bytes/ms"),
            Argument("switchover_bw", "int", "bytes/ms"),
            Argument("max_size", "int", "bytes"),
        ),
        "transferred {transferred} time_spent {time_spent} bandwidth {bandwidth} "
        "switchover_bw {switchover_bw} max_size {max_size}",
    ),
    Event("migration_bitmap_sync_start"),
    Event(
        "migration_bitmap_sync_end",
        (Argument("dirty_pages", "int", "pages"),),
        "dirty_pages {dirty_pages}",
    ),
    Event("savevm_section_start", _SECTION, "{id}, section_id {section_id}"),
    Event(
        "savevm_section_end",
        (*_SECTION, *_RET),
        "{id}, section_id {section_id} -> {ret}",
    ),
    Event(
        "ram_save_complete",
        (Argument("dirty", "int", "pages"), Argument("done")),
        "dirty={dirty}, done={done}",
    ),
    Event(
        "ram_save_iterate_big_wait",
        (Argument("ms", "int", "ms"), Argument("iterations")),
        "big wait: {ms} milliseconds, {iterations} iterations",
    ),
    Event("migration_throttle"),
    Event(
        "cpu_throttle_set",
        (Argument("percentage", "int", "%"),),
        "set guest CPU throttled by {percentage}%",
    ),
    Event("postcopy_start"),
    Event("postcopy_start_set_run"),
    Event("migration_completion_vm_stop", _RET, "ret {ret}"),
    Event("migration_precopy_complete"),
    Event(
        "vmstate_downtime_checkpoint",
        (Argument("checkpoint", "checkpoint"),),
        "{checkpoint}",
    ),
    Event(
        "savevm_command_send",
        (Argument("command", "hex"), Argument("len", "int", "bytes")),
        "com={command} len={len}",
    ),
    Event("savevm_send_ping", _VALUE, "{value}"),
    Event("qemu_savevm_send_packaged"),
    Event("source_return_path_thread_pong", _VALUE, "{value}"),
    Event("source_return_path_thread_postcopy_package_loaded"),
    Event("migrate_handle_rp_req_pages", _REQUEST, "in {block} at {start} len {len}"),
    Event("ram_save_queue_pages", _REQUEST, "{block}: start: {start} len: {len}"),
    _queued("get_queued_page"),
    _queued("get_queued_page_not_dirty"),
    Event("migration_completion_postcopy_end"),
    Event("migration_completion_postcopy_end_after_complete"),
    Event("source_return_path_thread_shut", _VALUE, "{value}"),
    Event("migration_thread_after_loop"),
    Event("migration_return_path_end_before"),
    Event("migration_return_path_end_after", _RET, "{ret}"),
    Event("savevm_state_header"),
    Event("savevm_state_setup"),
    Event("savevm_state_iterate"),
    Event("migrate_error", (Argument("error", "text"),), "error={error}"),
    Event("postcopy_pause_return_path"),
    Event("postcopy_pause_continued"),
    Event("postcopy_preempt_new_channel"),
    Event(
        "postcopy_preempt_send_host_page",
        (Argument("block", "block"), Argument("offset", "hex", "page")),
        "ramblock {block} offset {offset}",
    ),
    Event(
        "migration_bitmap_clear_dirty",
        (
            Argument("block", "block"),
            Argument("start", "hex", "bytes"),
            Argument("size", "hex", "bytes"),
            Argument("page", "hex", "page"),
        ),
        "rb {block} start {start} size {size} page {page}",
    ),
    Event("cpu_throttle_dirty_sync"),
    Event(
        "migration_dirty_limit_guest",
        (Argument("quota", "int", "MB/s"),),
        "guest dirty page rate limit {quota} MB/s",
    ),
    Event(
        "dirtylimit_throttle_pct",
        (Argument("vcpu"), Argument("percentage", "int", "%"), Argument("step", "int", "us")),
        "CPU[{vcpu}] throttle percent: {percentage}, throttle adjust time {step} us",
    ),
    Event(
        "dirtylimit_vcpu_execute",
        (Argument("vcpu"), Argument("sleep", "int", "us")),
        "CPU[{vcpu}] sleep {sleep} us",
    ),
    Event("multifd_send_sync_main", (Argument("packet_num"),), "packet num {packet_num}"),
    Event("save_xbzrle_page_skipping"),
    Event("save_xbzrle_page_overflow"),
)
"""Every event the engine can write; the position is its code."""

EVENT_CODES: Final = {event.name: code for code, event in enumerate(EVENTS)}
"""Name of an event to its code."""

MAX_ARGUMENTS: Final = 5
"""Argument columns in a recording's event rows; unused ones are 0."""
