"""Sections of the stream and the round robin over iterable handlers (migration/savevm.c)."""

from libc.stdint cimport int64_t

from migkit._engine cimport iterables, mapped_ram, ram
from migkit._engine.multifd cimport flush_and_sync
from migkit._engine.stream cimport flush, over_budget, put
from migkit._engine.types cimport (
    EVENT_SAVEVM_COMMAND_SEND, EVENT_SAVEVM_SECTION_END, EVENT_SAVEVM_SECTION_START,
    EVENT_SAVEVM_SEND_PING, PAGE_BYTES,
)
from migkit._engine.world cimport World


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
    return FILE_HEADER_BYTES + w.machine_name_bytes + w.configuration_bytes


cdef void setup_sections(World w) noexcept nogil:
    """Write a START section for every handler; RAM lists its blocks.

    Devices with early_setup come first, whole: virtio-mem's priority is above RAM's.
    """
    cdef int64_t address_bytes = 8 if w.shared.lists_addresses else 0, body
    cdef int index
    put(w, w.early_device_state_bytes)
    put(w, SECTION_START_BYTES + 3 + 8)     # 3 = "ram"
    for index in range(w.blocks):
        put(w, 1 + w.block_name_bytes[index] + 8 + address_bytes)
        if w.target.mapped_ram and not w.shared.ignored[index]:
            mapped_ram.begin(w, index)
    flush_and_sync(w)
    put(w, ram.END_OF_SECTION_BYTES)
    flush(w)
    put(w, SECTION_FOOTER_BYTES)
    for index in range(w.handler_count):
        body = iterables.setup_bytes(w, &w.handlers[index])
        put(w, SECTION_START_BYTES + w.handlers[index].name_bytes + body + SECTION_FOOTER_BYTES)


cdef void pending(World w, bint exact, int64_t *must, int64_t *can) noexcept nogil:
    """Tell the bytes left: those that must go in precopy and those that can go in postcopy."""
    must[0] = 0
    can[0] = 0
    iterables.pending(w, exact, must, can)
    if w.postcopy_ram:
        can[0] += w.dirty_pages * PAGE_BYTES
    else:
        must[0] += w.dirty_pages * PAGE_BYTES


cdef bint iterate(World w) noexcept nogil:
    """Let every handler send, in order, as long as there is budget (qemu_savevm_state_iterate).

    True when each of them had nothing more.
    """
    cdef int index
    cdef bint finished
    if over_budget(w):
        return False
    finished = not w.postcopy_ram and w.in_postcopy()
    if not finished:
        finished = ram_section(w, BODY_RAM_ITERATE) > 0
    for index in range(w.handler_count):
        if over_budget(w):
            return False
        if iterables.iterates(w, &w.handlers[index]):
            if section(w, index + 1, w.handlers[index].section_id, BODY_CHUNK) <= 0:
                finished = False
    return finished


cdef int64_t ram_section(World w, Body body) noexcept nogil:
    """Write one section of RAM."""
    return section(w, 0, RAM_SECTION_ID, body)


cdef int64_t section(World w, int index, int64_t section_id, Body body) noexcept nogil:
    """Frame what a handler writes; return what its hook returned."""
    cdef int64_t result, began = w.t, before = w.transferred + w.pending_bytes
    w.emit(EVENT_SAVEVM_SECTION_START, index, section_id)
    w.t += w.host.section_ns
    put(w, SECTION_HEADER_BYTES)
    result = write_body(w, index, body)
    w.emit(EVENT_SAVEVM_SECTION_END, index, section_id, result)
    put(w, SECTION_FOOTER_BYTES)
    if w.handler_count > 0:
        record_section(w, began, index, w.transferred + w.pending_bytes - before)
    return result


cdef void record_section(World w, int64_t began, int index, int64_t count) noexcept nogil:
    """Append a row to the sections."""
    cdef int64_t *row = w.sections.new_row()
    row[0] = began
    row[1] = w.t
    row[2] = w.iterations.rows
    row[3] = index
    row[4] = count


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
        return iterables.iterate(w, &w.handlers[index - 1])
    return iterables.complete(w, &w.handlers[index - 1])


cdef void complete_handlers(World w, bint in_switch) noexcept nogil:
    """Write the END sections of the handlers that are not RAM.

    In the switch to postcopy only those that cannot send later.
    """
    cdef int index
    cdef bint wanted
    for index in range(w.handler_count):
        wanted = not w.handlers[index].postcopiable if in_switch else True
        if w.in_postcopy():
            wanted = iterables.completes(w, &w.handlers[index])
        if wanted:
            section(w, index + 1, w.handlers[index].section_id, BODY_REST)


cdef int64_t device_bytes(World w) noexcept nogil:
    """Return the size of all device sections, those with VFIO devices' config spaces too."""
    cdef int64_t count = w.device_state_bytes, config
    cdef int index
    for index in range(w.handler_count):
        config = iterables.config_bytes(&w.handlers[index])
        if config > 0:
            count += SECTION_START_BYTES + w.handlers[index].name_bytes + SECTION_FOOTER_BYTES
            count += config
    return count
