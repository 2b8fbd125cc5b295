"""Sections of the stream and the round robin over iterable handlers (migration/savevm.c)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from migkit.oracle import multifd, ram
from migkit.oracle.codes import Event
from migkit.oracle.stream import flush, put, rate_exceeded
from migkit.oracle.world import PAGE_BYTES, World

SECTION_HEADER_BYTES = 5
SECTION_FOOTER_BYTES = 5
COMMAND_HEADER_BYTES = 5
FILE_HEADER_BYTES = 8 + 1 + 4  # magic, version, configuration mark, length of the machine's name
SECTION_START_BYTES = 14  # plus the name
RAM_SECTION_ID = 1
OPEN_RETURN_PATH, PING, POSTCOPY_ADVISE, POSTCOPY_LISTEN = 1, 2, 3, 4
POSTCOPY_RUN, POSTCOPY_RAM_DISCARD, PACKAGED = 5, 6, 7
POSTCOPY_RESUME, RECV_BITMAP, SWITCHOVER_START = 9, 10, 11


def command(w: World, number: int, payload: int) -> None:
    """Send one command; each flushes the stream."""
    w.emit(Event.SAVEVM_COMMAND_SEND, number, payload)
    put(w, COMMAND_HEADER_BYTES + payload)
    flush(w)


def ping(w: World, value: int) -> None:
    """Ask the destination for a PONG."""
    w.emit(Event.SAVEVM_SEND_PING, value)
    command(w, PING, 4)


def header_bytes(w: World) -> int:
    """Return the size of file header and configuration."""
    return FILE_HEADER_BYTES + len(w.plan.machine_name)


def setup_sections(w: World) -> None:
    """Write a START section for every handler; RAM lists its blocks."""
    blocks = sum(1 + size + 8 for size in w.plan.block_id_bytes)
    put(w, SECTION_START_BYTES + len("ram") + 8 + blocks)
    multifd.flush_and_sync(w)
    put(w, ram.END_OF_SECTION_BYTES)
    flush(w)
    put(w, SECTION_FOOTER_BYTES)
    for handler in w.handlers:
        put(w, SECTION_START_BYTES + len(handler["name"].encode()) + SECTION_FOOTER_BYTES)


def pending(w: World) -> tuple[int, int]:
    """Return the bytes left: (must go in precopy, can go in postcopy)."""
    must, can = 0, 0
    if w.plan.postcopy_ram:
        can = w.dirty_pages * PAGE_BYTES
    else:
        must = w.dirty_pages * PAGE_BYTES
    for handler in w.handlers:
        if handler["postcopiable"]:
            can += handler["remaining"]
        else:
            must += handler["remaining"]
    return must, can


def iterate(w: World) -> None:
    """Let every handler send, in order, as long as there is budget (qemu_savevm_state_iterate)."""
    for index in range(-1, len(w.handlers)):
        if rate_exceeded(w):
            return
        if index < 0:
            section(w, 0, RAM_SECTION_ID, ram.iterate)
        elif not w.in_postcopy or w.handlers[index]["postcopiable"]:
            handler = w.handlers[index]
            section(w, index + 1, handler["section_id"], partial(send_chunk, handler))


def section(w: World, index: int, section_id: int, body: Callable[[World], int | None]) -> None:
    """Frame what a handler writes."""
    w.emit(Event.SAVEVM_SECTION_START, index, section_id)
    w.t += w.plan.host.section_ns
    put(w, SECTION_HEADER_BYTES)
    result = body(w) or 0
    w.emit(Event.SAVEVM_SECTION_END, index, section_id, result)
    put(w, SECTION_FOOTER_BYTES)


def send_chunk(handler: dict, w: World) -> int:
    """Send up to one chunk of a handler that is not RAM."""
    return send_bytes(w, handler, min(handler["chunk_bytes"], handler["remaining"]))


def send_rest(handler: dict, w: World) -> int:
    """Send all that a handler has left (its save_complete hook)."""
    return send_bytes(w, handler, handler["remaining"])


def send_bytes(w: World, handler: dict, count: int) -> int:
    """Write `count` bytes of a handler's data; return 1 when it has no more."""
    w.t += count * handler["byte_ps"] // 1000
    put(w, count)
    flush(w)
    handler["remaining"] -= count
    handler["sent"] = handler.get("sent", 0) + count
    return int(handler["remaining"] == 0)


def complete_handlers(w: World, postcopiable_too: bool) -> None:
    """Write the END sections of the handlers that are not RAM."""
    for index, handler in enumerate(w.handlers):
        if not handler["postcopiable"] or postcopiable_too:
            section(w, index + 1, handler["section_id"], partial(send_rest, handler))
