"""Sections of the stream and the round robin over iterable handlers (migration/savevm.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport ram
from migkit._engine.multifd cimport flush_and_sync
from migkit._engine.stream cimport flush, over_budget, put
from migkit._engine.types cimport (
    EVENT_SAVEVM_COMMAND_SEND, EVENT_SAVEVM_SECTION_END, EVENT_SAVEVM_SECTION_START,
    EVENT_SAVEVM_SEND_PING, PAGE_BYTES,
)
from migkit._engine.world cimport Handler, World


cdef void command(World w, int64_t number, int64_t payload) noexcept nogil:
    """Send one command; each flushes the stream."""
    w.emit(EVENT_SAVEVM_COMMAND_SEND, number, payload)
    put(w, COMMAND_HEADER_BYTES + payload)
    flush(w)


cdef void ping(World w, int64_t value) noexcept nogil:
    """Ask the destination for a PONG."""
    w.emit(EVENT_SAVEVM_SEND_PING, value)
    command(w, PING, 4)


cdef int64_t header_bytes(World w) noexcept nogil:
    """Return the size of file header and configuration."""
    return FILE_HEADER_BYTES + w.machine_name_bytes


cdef void setup_sections(World w) noexcept nogil:
    """Write a START section for every handler; RAM lists its blocks."""
    cdef int64_t listed = 0
    cdef int index
    for index in range(w.blocks):
        listed += 1 + w.block_name_bytes[index] + 8
    put(w, SECTION_START_BYTES + 3 + 8 + listed)        # 3 = "ram"
    flush_and_sync(w)
    put(w, ram.END_OF_SECTION_BYTES)
    flush(w)
    put(w, SECTION_FOOTER_BYTES)
    for index in range(w.handler_count):
        put(w, SECTION_START_BYTES + w.handlers[index].name_bytes + SECTION_FOOTER_BYTES)


cdef void pending(World w, int64_t *must, int64_t *can) noexcept nogil:
    """Tell the bytes left: those that must go in precopy and those that can go in postcopy."""
    cdef int index
    must[0] = 0
    can[0] = 0
    if w.postcopy_ram:
        can[0] = w.dirty_pages * PAGE_BYTES
    else:
        must[0] = w.dirty_pages * PAGE_BYTES
    for index in range(w.handler_count):
        if w.handlers[index].postcopiable:
            can[0] += w.handlers[index].remaining
        else:
            must[0] += w.handlers[index].remaining


cdef void iterate(World w) noexcept nogil:
    """Let every handler send, in order, as long as there is budget (qemu_savevm_state_iterate)."""
    cdef int index
    if over_budget(w):
        return
    ram_section(w, BODY_RAM_ITERATE)
    for index in range(w.handler_count):
        if over_budget(w):
            return
        if not w.in_postcopy() or w.handlers[index].postcopiable:
            section(w, index + 1, w.handlers[index].section_id, BODY_CHUNK)


cdef void ram_section(World w, Body body) noexcept nogil:
    """Write one section of RAM."""
    section(w, 0, RAM_SECTION_ID, body)


cdef void section(World w, int index, int64_t section_id, Body body) noexcept nogil:
    """Frame what a handler writes."""
    cdef int64_t result
    w.emit(EVENT_SAVEVM_SECTION_START, index, section_id)
    w.t += w.host.section_ns
    put(w, SECTION_HEADER_BYTES)
    result = write_body(w, index, body)
    w.emit(EVENT_SAVEVM_SECTION_END, index, section_id, result)
    put(w, SECTION_FOOTER_BYTES)


cdef int64_t write_body(World w, int index, Body body) noexcept nogil:
    """Write what stands between header and footer; return what the handler's hook returns."""
    if body == BODY_RAM_ITERATE:
        return ram.iterate(w)
    if body == BODY_RAM_COMPLETE:
        ram.complete(w)
        return 0
    if body == BODY_END_MARK:   # behind what multifd holds
        flush_and_sync(w)
        put(w, ram.END_OF_SECTION_BYTES)
        flush(w)
        return 1
    if body == BODY_CHUNK:
        return send_bytes(w, &w.handlers[index - 1], min(w.handlers[index - 1].chunk_bytes,
                                                         w.handlers[index - 1].remaining))
    return send_bytes(w, &w.handlers[index - 1], w.handlers[index - 1].remaining)


cdef int64_t send_bytes(World w, Handler *handler, int64_t count) noexcept nogil:
    """Write some of a handler's data; return 1 when it has no more."""
    w.t += count * handler.byte_ps // 1000
    put(w, count)
    flush(w)
    handler.remaining -= count
    handler.sent += count
    return 1 if handler.remaining == 0 else 0


cdef void complete_handlers(World w, bint postcopiable_too) noexcept nogil:
    """Write the END sections of the handlers that are not RAM."""
    cdef int index
    for index in range(w.handler_count):
        if not w.handlers[index].postcopiable or postcopiable_too:
            section(w, index + 1, w.handlers[index].section_id, BODY_REST)
