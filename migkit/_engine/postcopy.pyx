"""Going over to postcopy, pausing it, recovering it (migration.c postcopy_start)."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from migkit._engine cimport (
    decisions, destination, endings, network, preempt, release, savevm, switchover, timeline,
)
from migkit._engine.bitmap cimport count, next_run
from migkit._engine.dirty_map cimport mark_all
from migkit._engine.channels cimport CHANNEL_MAIN
from migkit._engine.network cimport arrival
from migkit._engine.incoming cimport PONG, PONG_PACKAGE_LOADED
from migkit._engine.stream cimport flush, put
from migkit._engine.sync cimport bitmap_sync
from migkit._engine.types cimport (
    CHECKPOINT_DOWNTIME_END, CHECKPOINT_ITERABLE_SAVED, CHECKPOINT_NON_ITERABLE_SAVED,
    EVENT_POSTCOPY_PAUSE_CONTINUED, EVENT_POSTCOPY_PAUSE_RETURN_PATH, EVENT_POSTCOPY_START,
    EVENT_POSTCOPY_START_SET_RUN, EVENT_QEMU_SAVEVM_SEND_PACKAGED, EVENT_SAVEVM_COMMAND_SEND,
    EVENT_SAVEVM_SEND_PING, RUN_STATE_EXITED, STATE_FAILED,
    STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_DEVICE, STATE_POSTCOPY_PAUSED,
    STATE_POSTCOPY_RECOVER, STATE_POSTCOPY_RECOVER_SETUP, SYNC_POSTCOPY,
)
from migkit._engine.world cimport World

cdef enum:
    RANGES_PER_DISCARD = 12
    ANSWER_HEADER_BYTES = 5     # type, length and the length of the name
    BITMAP_FRAME_BYTES = 16     # size and end mark
    PING_IN_PACKAGE = 3
    PING_PACKAGE_LOADED = 0x42


cdef void start(World w) noexcept nogil:
    """Stop the guest here, tell the destination what is stale, send the devices, go on there."""
    if w.postcopy_preempt and not preempt.open_channel(w):
        endings.fail(w)
        return
    savevm.ram_section(w, savevm.BODY_END_MARK)
    w.emit(EVENT_POSTCOPY_START)
    w.emit(EVENT_POSTCOPY_START_SET_RUN)
    endings.take_lock(w)
    switchover.stop_vm(w)
    if not switchover.switchover_start(w):
        endings.fail(w)
        return
    if not w.postcopy_ram:
        savevm.ram_section(w, savevm.BODY_RAM_COMPLETE)
    savevm.complete_handlers(w, True)
    endings.checkpoint(w, CHECKPOINT_ITERABLE_SAVED)
    if w.postcopy_ram:
        bitmap_sync(w, SYNC_POSTCOPY)
        restart_sweep(w)
        send_discards(w)
        savevm.ping(w, 2)
        destination.say(w, arrived_ns(w), PONG)
    send_package(w)
    if w.error:
        endings.fail(w)
        return
    endings.checkpoint(w, CHECKPOINT_DOWNTIME_END)
    w.downtime_ms = decisions.blackout_ms(w.t - w.downtime_start_ns, into_ms_ns(w))
    if w.postcopy_ram:
        savevm.ping(w, 4)
    release.at_switch(w)
    w.rate_limit_max = decisions.rate_limit_max(w.parameters.max_postcopy_bandwidth)
    if w.has_postcopy_device and w.has_return_path:
        w.set_state(STATE_POSTCOPY_DEVICE)
    else:
        w.set_state(STATE_POSTCOPY_ACTIVE)
    w.destination_state = STATE_POSTCOPY_ACTIVE
    endings.release_lock(w)


cdef int64_t into_ms_ns(World w) noexcept nogil:
    """Return how far into a millisecond the clock was when the guest stopped.

    Nobody knows unless it was drawn. From the middle, the blackout comes out as the likelier of
    its two values.
    """
    if not w.clock_drawn:
        return 500_000
    return (w.downtime_start_ns + w.host.clock_phase_ns) % 1_000_000


cdef void restart_sweep(World w) noexcept nogil:
    """Begin the sweep again at the first page; the next record names its block."""
    w.last_seen_block = 0
    w.last_page = 0
    w.last_sent_block = -1


cdef void send_discards(World w) noexcept nogil:
    """Name every run of dirty pages, twelve to a command (ram_postcopy_send_discard_bitmap)."""
    cdef int block
    cdef int64_t page, end, first, after, ranges
    for block in range(w.blocks):
        page, end = w.block_start[block], w.block_start[block + 1]
        ranges = 0
        while next_run(w.bmap, page, end, &first, &after):
            page = after
            ranges += 1
            if ranges == RANGES_PER_DISCARD:
                send_discard(w, block, ranges)
                ranges = 0
        if ranges > 0:
            send_discard(w, block, ranges)


cdef void send_discard(World w, int block, int64_t ranges) noexcept nogil:
    """Send one discard command."""
    savevm.command(w, savevm.POSTCOPY_RAM_DISCARD, 3 + w.block_name_bytes[block] + 16 * ranges)
    w.incoming.discarded_ns = arrived_ns(w) + ranges * w.incoming.costs.discard_range_ns
    w.t += w.host.discard_command_ns


cdef int64_t arrived_ns(World w) noexcept nogil:
    """Return when the destination comes to what was sent now: after all discards before it."""
    return max(max(w.t, w.drain_end) + w.net.latency_ns, w.incoming.discarded_ns)


cdef void send_package(World w) noexcept nogil:
    """Build the package of device states in memory, then send it; both count as transferred."""
    cdef int64_t blob = savevm.COMMAND_HEADER_BYTES + savevm.device_bytes(w)
    w.emit(EVENT_SAVEVM_COMMAND_SEND, savevm.POSTCOPY_LISTEN, 0)
    w.t += w.host.package_ns
    endings.checkpoint(w, CHECKPOINT_NON_ITERABLE_SAVED)
    if w.postcopy_ram:
        blob += packed_ping(w, PING_IN_PACKAGE)
    if w.has_postcopy_device and w.has_return_path:
        blob += packed_ping(w, PING_PACKAGE_LOADED)
    w.emit(EVENT_SAVEVM_COMMAND_SEND, savevm.POSTCOPY_RUN, 0)
    blob += savevm.COMMAND_HEADER_BYTES
    w.package_bytes = blob
    w.transferred += blob       # the memory file counts too (qemu-file.c)
    w.emit(EVENT_QEMU_SAVEVM_SEND_PACKAGED)
    savevm.command(w, savevm.PACKAGED, 4)
    put(w, blob)
    flush(w)
    hand_over(w, blob)


cdef void hand_over(World w, int64_t blob) noexcept nogil:
    """Load the package at the destination: its listen thread takes over, the guest runs.

    The listen thread answers ping 4 at once, the main thread ping 0x42 before it starts the guest.
    """
    cdef int64_t sent = arrival(w, CHANNEL_MAIN, max(w.t, w.drain_end), blob)
    cdef int64_t arrived = max(sent, w.incoming.discarded_ns)
    cdef int64_t listens = arrived + w.incoming.costs.listen_ns
    cdef int64_t loaded = max(listens, arrived + w.host.package_load_ns)
    w.drain_end = listens - w.net.latency_ns
    destination.start(w, listens, loaded)
    if w.has_return_path:
        destination.say(w, listens, PONG)
    if w.has_return_path and w.has_postcopy_device:
        destination.say(w, loaded, PONG_PACKAGE_LOADED)


cdef int64_t packed_ping(World w, int64_t value) noexcept nogil:
    """Put a ping into the package; return its size."""
    w.emit(EVENT_SAVEVM_SEND_PING, value)
    w.emit(EVENT_SAVEVM_COMMAND_SEND, savevm.PING, 4)
    return savevm.COMMAND_HEADER_BYTES + 4


cdef void leave_device_state(World w, int64_t pending) noexcept nogil:
    """Go from postcopy-device to postcopy-active once the destination has loaded the package."""
    if w.state != STATE_POSTCOPY_DEVICE:
        return
    destination.advance(w, w.t)
    if decisions.postcopy_device_over(0 <= w.package_loaded_ns <= w.t, pending):
        destination.await_package(w)
        w.set_state(STATE_POSTCOPY_ACTIVE)


cdef bint pause(World w) noexcept nogil:
    """Wait for recovery after the link broke; True when the migration goes on."""
    preempt.serve(w)
    fall_silent(w)
    w.emit(EVENT_POSTCOPY_PAUSE_RETURN_PATH)
    destination.drop_in_flight(w, w.cut_ns)
    while True:
        timeline.apply(w)       # the cut itself is among the items that are due
        w.cut_ns = -1
        w.error = False
        if not wait_for_resume(w):
            w.finished = True
            return False
        if recover(w):
            return True
        fall_silent(w)


cdef void fall_silent(World w) noexcept nogil:
    """Pause both sides."""
    w.set_state(STATE_POSTCOPY_PAUSED)
    pause_destination(w)


cdef void pause_destination(World w) noexcept nogil:
    """Let the destination wait, too, if it runs by now and is not what failed."""
    if w.destination_runs_ns <= w.t and not timeline.destination_error_before(w, w.t):
        endings.destination_is(w, STATE_POSTCOPY_PAUSED, w.sides.before)
    else:
        endings.destination_is(w, STATE_FAILED, RUN_STATE_EXITED)


cdef bint wait_for_resume(World w) noexcept nogil:
    """Let time pass until `migrate` with resume comes; False when it never does.

    Nobody answers before the destination was told to listen again: then both stay paused.
    """
    cdef int64_t later
    timeline.apply(w)
    while not (w.resume_asked and w.recover_asked):
        if w.resume_asked:
            w.resume_asked = False
            w.set_state(STATE_POSTCOPY_RECOVER_SETUP)
            w.set_state(STATE_POSTCOPY_PAUSED)
        later = timeline.next_moment(w)
        if later < 0:
            return False
        w.t = max(w.t, later)
        timeline.apply(w)
    w.resume_asked = w.recover_asked = False
    w.cut_ns = -1               # what broke meanwhile was not in use
    return True


cdef bint recover(World w) noexcept nogil:
    """Agree with the destination on what it has, and go on with the rest (postcopy_do_resume).

    False if the link breaks before both are done.
    """
    w.set_state(STATE_POSTCOPY_RECOVER_SETUP)
    if not passes(w, w.incoming.costs.connect_ns + network.round_trip_ns(w)):
        return False
    w.drain_end = w.t
    network.reset(w)
    w.link_bandwidth = w.recovery_link_bandwidth
    w.rate_limit_max = decisions.rate_limit_max(w.parameters.max_postcopy_bandwidth)
    w.set_state(STATE_POSTCOPY_RECOVER)
    w.destination_state = STATE_POSTCOPY_RECOVER
    if not fetch_received(w):
        return False
    memcpy(w.bmap, w.missing, <size_t> w.words * 8)
    mark_all(&w.dirty_map)
    w.dirty_pages = count(w.bmap, w.words)
    restart_sweep(w)
    if w.postcopy_preempt and not preempt.open_channel(w):
        return False
    savevm.command(w, savevm.POSTCOPY_RESUME, 0)
    if not passes(w, network.round_trip_ns(w)):
        return False
    w.set_state(STATE_POSTCOPY_ACTIVE)
    w.destination_state = STATE_POSTCOPY_ACTIVE
    w.emit(EVENT_POSTCOPY_PAUSE_CONTINUED)
    destination.go_on(w)
    return True


cdef bint fetch_received(World w) noexcept nogil:
    """Ask for each block's bitmap of received pages, and wait for all of them."""
    cdef int64_t answer_bytes = 0, pages, wait_ns
    cdef int block
    for block in range(w.blocks):
        savevm.command(w, savevm.RECV_BITMAP, 1 + w.block_name_bytes[block])
        pages = w.block_start[block + 1] - w.block_start[block]
        answer_bytes += ANSWER_HEADER_BYTES + w.block_name_bytes[block]
        answer_bytes += BITMAP_FRAME_BYTES + (pages + 63) // 64 * 8
    wait_ns = network.round_trip_ns(w)
    if w.link_bandwidth > 0:
        wait_ns += answer_bytes * 1_000_000_000 // w.link_bandwidth
    return passes(w, wait_ns)


cdef bint passes(World w, int64_t duration_ns) noexcept nogil:
    """Let time pass in the handshake; False if the link has broken by then."""
    cdef int64_t cut = timeline.cut_before(w, w.t + duration_ns)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.error = True
    if w.error:
        return False
    w.t += duration_ns
    return True
