"""Sections of the stream and the round robin over iterable handlers (migration/savevm.c)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from migkit.oracle import iterables, mapped_ram, multifd, ram
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
    return FILE_HEADER_BYTES + len(w.plan.machine_name) + int(w.plan.configuration_bytes)


def setup_sections(w: World) -> None:
    """Write a START section for every handler; RAM lists its blocks.

    Devices with early_setup come first, whole: virtio-mem's priority is above RAM's.
    """
    put(w, w.plan.early_device_state_bytes)
    put(w, SECTION_START_BYTES + len("ram") + 8)
    for block, size in enumerate(w.plan.block_id_bytes):
        put(w, 1 + size + 8 + (8 if w.plan.lists_addresses else 0))
        if mapped_ram.is_on(w) and block not in w.plan.ignored_blocks:
            mapped_ram.begin(w, block)
    multifd.flush_and_sync(w)
    put(w, ram.END_OF_SECTION_BYTES)
    flush(w)
    put(w, SECTION_FOOTER_BYTES)
    for h in w.handlers:
        body = iterables.setup_bytes(w, h)
        name = len(h["name"].encode())
        put(w, SECTION_START_BYTES + name + body + SECTION_FOOTER_BYTES)


def pending(w: World, exact: bool = False) -> tuple[int, int]:
    """Return the bytes left: (must go in precopy, can go in postcopy)."""
    must, can = iterables.pending(w, exact)
    dirty = w.dirty_pages * PAGE_BYTES
    return (must, can + dirty) if w.plan.postcopy_ram else (must + dirty, can)


def iterate(w: World) -> bool:
    """Let every handler send, in order, as long as there is budget (qemu_savevm_state_iterate).

    True when each of them had nothing more.
    """
    finished = True
    for index in range(-1, len(w.handlers)):
        if rate_exceeded(w):
            return False
        if index < 0:
            if w.plan.postcopy_ram or not w.in_postcopy:
                finished &= section(w, 0, RAM_SECTION_ID, ram.iterate) > 0
        elif iterables.iterates(w, w.handlers[index]):
            h = w.handlers[index]
            chunk = partial(iterables.iterate, h=h)
            finished &= section(w, index + 1, h["section_id"], chunk) > 0
    return finished


def section(w: World, index: int, section_id: int, body: Callable[[World], int | None]) -> int:
    """Frame what a handler writes; return what its hook returned."""
    w.emit(Event.SAVEVM_SECTION_START, index, section_id)
    began, before = w.t, w.transferred + w.pending_bytes
    w.t += w.plan.host.section_ns
    put(w, SECTION_HEADER_BYTES)
    result = body(w) or 0
    w.emit(Event.SAVEVM_SECTION_END, index, section_id, result)
    put(w, SECTION_FOOTER_BYTES)
    if w.handlers:
        count = w.transferred + w.pending_bytes - before
        w.tables["sections"].append((began, w.t, len(w.tables["iterations"]), index, count))
    return result


def complete_handlers(w: World, *, in_switch: bool = False) -> None:
    """Write the END sections of the handlers that are not RAM.

    In the switch to postcopy only those that cannot send later.
    """
    for index, h in enumerate(w.handlers):
        wanted = not h["postcopiable"] if in_switch else True
        if w.in_postcopy:
            wanted = iterables.completes(w, h)
        if wanted:
            section(w, index + 1, h["section_id"], partial(iterables.complete, h=h))


def device_bytes(w: World) -> int:
    """Return the size of all device sections."""
    return w.plan.device_state_bytes + sum(config_section_bytes(h) for h in w.handlers)


def config_section_bytes(h: dict) -> int:
    """Return the size of the section with a VFIO device's config space, 0 for other handlers."""
    config = iterables.config_bytes(h)
    frame = SECTION_START_BYTES + len(h["name"].encode()) + SECTION_FOOTER_BYTES
    return frame + config if config else 0
