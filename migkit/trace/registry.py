"""Every trace event whose text is known, over versions: what the engine writes and what logs add.

An event that is not here is kept too: its arguments are then ``{"text": the raw text}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from migkit.schema import EVENTS, Argument

from .patterns import Arguments, Pattern, Value
from .versions import as_printed, as_unified

_KINDS: Final = {"d": "int", "x": "hex", "s": "text", "b": "block"}


def _pattern(event: str, arguments: str = "", template: str = "", written: str = "") -> Pattern:
    # "len:d block:b" is shorter to read in the long table below than Argument(...) would be.
    pairs = [item.split(":") for item in arguments.split()]
    listed = tuple(Argument(name, _KINDS[kind]) for name, kind in pairs)  # type: ignore[arg-type]
    return Pattern(event, listed, template, written)


_DOWNTIME = (
    "type:s idstr:s instance_id:d downtime:d",
    "type={type} idstr={idstr} instance_id={instance_id} downtime={downtime}",
)
_CHANNEL = ("id:d packets:d", "channel {id} packets {packets}")
_PAGE_REQUEST = (
    "hva:x block:b offset:x pid:d",
    "Request for HVA={hva} rb={block} offset={offset} pid={pid}",
)
_PENDING = (
    "exact:d final:d precopy:d stopcopy:d postcopy:d total:d acks_pending:d acks_total:d",
    "exact={exact}, final={final}, precopy={precopy}, stopcopy={stopcopy}, postcopy={postcopy}, "
    "total={total}, collected switchover ack pending={acks_pending}, "
    "total switchover ack pending={acks_total}",
)
_SERVED = (
    "addr:x time:d affected_cpus:d affected_non_cpus:d",
    "addr: {addr}, time: {time}, affected_cpus: {affected_cpus}, "
    "affected_non_cpus: {affected_non_cpus}",
)

_ONLY_IN_LOGS: Final = (
    _pattern("migration_socket_outgoing_connected", "hostname:s", "hostname={hostname}"),
    _pattern("migration_socket_outgoing_connected"),
    _pattern("vmstate_downtime_save", *_DOWNTIME),
    _pattern("vmstate_downtime_load", *_DOWNTIME),
    _pattern("qemu_savevm_query_pending", *_PENDING),
    _pattern("migration_rate_limit_pre", "ms:d", "{ms} ms"),
    _pattern("migration_rate_limit_post", "urgent:d", "urgent: {urgent}"),
    _pattern(
        "migration_transferred_bytes",
        "qemu_file:d multifd:d rdma:d",
        "qemu_file {qemu_file} multifd {multifd} RDMA {rdma}",
    ),
    _pattern("migration_cancel"),
    _pattern("postcopy_preempt_enabled", "value:d", "{value}"),
    _pattern("postcopy_preempt_thread_entry"),
    _pattern("postcopy_preempt_thread_exit"),
    _pattern("ram_dirty_bitmap_request", "block:b", "{block}"),
    _pattern("ram_dirty_bitmap_reload_begin", "block:b", "{block}"),
    _pattern("ram_dirty_bitmap_reload_complete", "block:b", "{block}"),
    _pattern("ram_dirty_bitmap_sync_start"),
    _pattern("ram_dirty_bitmap_sync_wait"),
    _pattern("ram_dirty_bitmap_sync_complete"),
    _pattern("multifd_send_thread_end", *_CHANNEL),
    _pattern("multifd_recv_thread_end", *_CHANNEL),
    _pattern("save_xbzrle_page_skipping"),
    _pattern("loadvm_process_command", "command:s len:d", "com={command} len={len}"),
    _pattern("loadvm_postcopy_handle_advise"),
    _pattern("loadvm_postcopy_handle_listen", "stage:s", "{stage}"),
    _pattern("loadvm_postcopy_handle_run"),
    _pattern("loadvm_postcopy_handle_resume"),
    _pattern("loadvm_handle_cmd_packaged", "length:d", "{length}"),
    _pattern("loadvm_handle_cmd_packaged_main", "ret:d", "{ret}"),
    _pattern("process_incoming_migration_co_end", "ret:d", "ret={ret}"),
    _pattern(
        "process_incoming_migration_co_end",
        "ret:d postcopy_state:d",
        "ret={ret} postcopy-state={postcopy_state}",
    ),
    _pattern("postcopy_pause_incoming"),
    _pattern("postcopy_pause_incoming_continued"),
    _pattern("postcopy_ram_fault_thread_request", *_PAGE_REQUEST),
    _pattern("postcopy_ram_incoming_cleanup_blocktime", "total:d", "total blocktime {total}"),
    _pattern("postcopy_blocktime_tid_cpu_map", "cpu:d tid:d", "cpu: {cpu}, tid: {tid}"),
    _pattern(
        "postcopy_blocktime_begin",
        "addr:x time:d cpu:d exist:d",
        "addr: {addr}, time: {time}, cpu: {cpu}, exist: {exist}",
    ),
    _pattern(
        "postcopy_blocktime_begin",
        "addr:x dd:s time_ms:d cpu:d already_received:d",
        "addr: {addr}, dd: {dd}, time: {time_ms}, cpu: {cpu}, "
        "already_received: {already_received}",
        written="mark_postcopy_blocktime_begin",
    ),
    _pattern(
        "postcopy_blocktime_end_one",
        "cpu:d left_faults:d",
        "cpu: {cpu}, left_faults: {left_faults}",
    ),
    _pattern("postcopy_blocktime_end", *_SERVED),
    _pattern(
        "postcopy_blocktime_end",
        "addr:x dd:s time_ms:d affected_cpus:d",
        "addr: {addr}, dd: {dd}, time: {time_ms}, affected_cpu: {affected_cpus}",
        written="mark_postcopy_blocktime_end",
    ),
)

_PATTERNS: Final = (
    *(Pattern(event.name, event.arguments, event.template) for event in EVENTS),
    *_ONLY_IN_LOGS,
)


def _grouped(by_written: bool) -> dict[str, tuple[Pattern, ...]]:
    groups: dict[str, tuple[Pattern, ...]] = {}
    for pattern in _PATTERNS:
        key = pattern.name if by_written else pattern.event
        groups[key] = (*groups.get(key, ()), pattern)
    return groups


_BY_WRITTEN_NAME: Final = _grouped(by_written=True)
_BY_EVENT: Final = _grouped(by_written=False)


def is_known(event: str) -> bool:
    """Tell whether the event's text is known, by its unified or a printed name."""
    return event in _BY_EVENT or event in _BY_WRITTEN_NAME


def event_of(message: str) -> str:
    """Return the unified name of the event in a message (name, blank, text).

    Parameters
    ----------
    message : str
        A trace line without its time stamp.

    Returns
    -------
    str
        The event's name, the same for every QEMU version.

    Examples
    --------
    >>> event_of("mark_postcopy_blocktime_end addr: 0x1000")
    'postcopy_blocktime_end'
    """
    name = message.split(" ", 1)[0]
    known = _BY_WRITTEN_NAME.get(name)
    return known[0].event if known else name


def argument_kinds(event: str) -> dict[str, str]:
    """Return the kinds of an event's known arguments, over all versions.

    Parameters
    ----------
    event : str
        The event's unified name.

    Returns
    -------
    dict
        Argument name to kind; empty when the event is not known.

    Examples
    --------
    >>> argument_kinds("ram_save_complete")
    {'dirty': 'int', 'done': 'int'}
    """
    patterns = reversed(_BY_EVENT.get(event, ()))
    return {a.name: a.kind for pattern in patterns for a in pattern.arguments}


def parse(message: str) -> tuple[str, Arguments]:
    """Read a message (name, blank, text) into its event and unified arguments.

    Parameters
    ----------
    message : str
        A trace line without its time stamp.

    Returns
    -------
    event : str
        The event's name, the same for every QEMU version.
    arguments : dict
        Argument name to value; ``{"text": ...}`` where the text is not known.

    Examples
    --------
    >>> parse("ram_save_complete dirty=9627, done=0")
    ('ram_save_complete', {'dirty': 9627, 'done': 0})
    >>> parse("a_new_event of 7 pages")
    ('a_new_event', {'text': 'of 7 pages'})
    """
    name, _, text = message.partition(" ")
    for pattern in _BY_WRITTEN_NAME.get(name, ()):
        found = pattern.parse(text)
        if found is not None:
            return pattern.event, as_unified(pattern.event, found)
    return name, {"text": text}


def render(event: str, arguments: Mapping[str, Value]) -> str:
    """Print an event as QEMU does: the reverse of `parse`.

    Parameters
    ----------
    event : str
        The event's unified name.
    arguments : mapping
        Its arguments as `parse` gives them; which of them there are tells the version.

    Returns
    -------
    str
        Name, one blank, text.

    Raises
    ------
    KeyError
        The event is known, but not with these arguments.

    Examples
    --------
    >>> render("migrate_handle_rp_req_pages", {"block": None, "start": 4096, "len": 4096})
    'migrate_handle_rp_req_pages in (null) at 0x1000 len 0x1000'
    """
    if arguments.keys() == {"text"}:
        return f"{event} {arguments['text']}"
    printed = as_printed(event, arguments)
    for pattern in _BY_EVENT.get(event, ()):
        if pattern.keys == printed.keys():
            return pattern.render(printed)
    raise KeyError(f"{event} is not printed with {', '.join(sorted(arguments)) or 'no arguments'}")
