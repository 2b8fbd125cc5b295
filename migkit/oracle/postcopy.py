"""Going over to postcopy, pausing it, recovering it (migration.c postcopy_start)."""

from __future__ import annotations

from migkit.oracle import (
    decisions,
    destination,
    endings,
    multifd,
    network,
    preempt,
    ram,
    release,
    savevm,
    switchover,
    timeline,
)
from migkit.oracle.codes import Checkpoint, Event, RunState, State, SyncReason
from migkit.oracle.incoming import PONG, PONG_PACKAGE_LOADED
from migkit.oracle.network import Channel, arrival, round_trip_ns
from migkit.oracle.ram import END_OF_SECTION_BYTES
from migkit.oracle.stream import flush, put
from migkit.oracle.sync import bitmap_sync
from migkit.oracle.world import World

RANGES_PER_DISCARD = 12
ANSWER_HEADER_BYTES = 5  # type, length and the length of the name
BITMAP_FRAME_BYTES = 16  # size and end mark


def start(w: World) -> None:
    """Stop the guest here, tell the destination what is stale, send the devices, go on there."""
    w.postcopy_start_ns = w.t
    if w.plan.postcopy_preempt and not preempt.open_channel(w):
        endings.fail(w)
        return
    savevm.section(w, 0, savevm.RAM_SECTION_ID, end_of_section)
    w.emit(Event.POSTCOPY_START)
    w.emit(Event.POSTCOPY_START_SET_RUN)
    endings.take_lock(w)
    switchover.stop_vm(w)
    if not switchover.switchover_start(w):
        endings.fail(w)
        return
    if not w.plan.postcopy_ram:
        savevm.section(w, 0, savevm.RAM_SECTION_ID, ram.complete)
    savevm.complete_handlers(w, in_switch=True)
    endings.checkpoint(w, Checkpoint.ITERABLE_SAVED)
    if w.plan.postcopy_ram:
        bitmap_sync(w, SyncReason.POSTCOPY)
        w.last_seen_block, w.last_page, w.last_sent_block = 0, 0, -1
        send_discards(w)
        savevm.ping(w, 2)
        destination.say(w, arrived_ns(w), PONG)
    send_package(w)
    if w.error:
        endings.fail(w)
        return
    endings.checkpoint(w, Checkpoint.DOWNTIME_END)
    w.downtime_ms = decisions.blackout_ms(w.t - w.downtime_start_ns, into_ms_ns(w))
    if w.plan.postcopy_ram:
        savevm.ping(w, 4)
    release.at_switch(w)
    w.rate_limit_max = decisions.rate_limit_max(w.parameters["max-postcopy-bandwidth"])
    waits = w.plan.has_postcopy_device and w.plan.has_return_path
    w.set_state(State.POSTCOPY_DEVICE if waits else State.POSTCOPY_ACTIVE)
    w.destination_state = State.POSTCOPY_ACTIVE
    endings.release_lock(w)


def into_ms_ns(w: World) -> int:
    """Return how far into a millisecond the clock was when the guest stopped.

    Nobody knows unless it was drawn. From the middle, the blackout comes out as the likelier of
    its two values.
    """
    if not w.plan.postcopy.clock_drawn:
        return 500_000
    return (w.downtime_start_ns + w.plan.host.clock_phase_ns) % 1_000_000


def end_of_section(w: World) -> int:
    """Body of the section that precedes the switch: its end mark, behind what multifd holds."""
    multifd.flush_and_sync(w)
    put(w, END_OF_SECTION_BYTES)
    flush(w)
    return 1


def send_discards(w: World) -> None:
    """Name every run of dirty pages, twelve to a command (ram_postcopy_send_discard_bitmap)."""
    for block, id_bytes in enumerate(w.plan.block_id_bytes):
        first, end = w.block_start[block], w.block_start[block + 1]
        runs = 0
        page = w.bmap.find(1, first, end)
        while page >= 0:
            runs += 1
            clean = w.bmap.find(0, page, end)
            page = w.bmap.find(1, clean, end) if clean >= 0 else -1
        while runs > 0:
            ranges = min(runs, RANGES_PER_DISCARD)
            savevm.command(w, savevm.POSTCOPY_RAM_DISCARD, 3 + id_bytes + 16 * ranges)
            dropped_ns = ranges * w.plan.host.postcopy.discard_range_ns
            w.incoming.discarded_ns = arrived_ns(w) + dropped_ns
            w.t += w.plan.host.discard_command_ns
            runs -= ranges


def arrived_ns(w: World) -> int:
    """Return when the destination comes to what was sent now: after all discards before it."""
    return max(max(w.t, w.drain_end) + w.latency_ns, w.incoming.discarded_ns)


def send_package(w: World) -> None:
    """Build the package of device states in memory, then send it; both count as transferred."""
    blob = 0
    w.emit(Event.SAVEVM_COMMAND_SEND, savevm.POSTCOPY_LISTEN, 0)
    blob += savevm.COMMAND_HEADER_BYTES + savevm.device_bytes(w)
    w.t += w.plan.host.package_ns
    endings.checkpoint(w, Checkpoint.NON_ITERABLE_SAVED)
    for value in package_pings(w):
        w.emit(Event.SAVEVM_SEND_PING, value)
        w.emit(Event.SAVEVM_COMMAND_SEND, savevm.PING, 4)
        blob += savevm.COMMAND_HEADER_BYTES + 4
    w.emit(Event.SAVEVM_COMMAND_SEND, savevm.POSTCOPY_RUN, 0)
    blob += savevm.COMMAND_HEADER_BYTES
    w.package_bytes = blob
    w.transferred += blob  # the memory file counts too (qemu-file.c)
    w.emit(Event.QEMU_SAVEVM_SEND_PACKAGED)
    savevm.command(w, savevm.PACKAGED, 4)
    put(w, blob)
    flush(w)
    hand_over(w, blob)


def hand_over(w: World, blob: int) -> None:
    """Load the package at the destination: its listen thread takes over, the guest runs.

    The listen thread answers ping 4 at once, the main thread ping 0x42 before it starts the guest.
    """
    sent = arrival(w, Channel.MAIN, max(w.t, w.drain_end), blob)
    arrived = max(sent, w.incoming.discarded_ns)
    listens = arrived + w.plan.host.postcopy.listen_ns
    loaded = max(listens, arrived + w.plan.host.package_load_ns)
    w.drain_end = listens - w.latency_ns
    destination.start(w, loaded)
    if w.plan.has_return_path:
        destination.say(w, listens, PONG)
    if w.plan.has_return_path and w.plan.has_postcopy_device:
        destination.say(w, loaded, PONG_PACKAGE_LOADED)


def package_pings(w: World) -> list[int]:
    """Return the values of the pings inside the package."""
    values = [3] if w.plan.postcopy_ram else []
    if w.plan.has_postcopy_device and w.plan.has_return_path:
        values.append(0x42)
    return values


def leave_device_state(w: World, pending: int) -> None:
    """Go from postcopy-device to postcopy-active once the destination has loaded the package."""
    if w.state != State.POSTCOPY_DEVICE:
        return
    destination.advance(w, w.t)
    if decisions.postcopy_device_over(0 <= w.package_loaded_ns <= w.t, pending):
        destination.await_package(w)
        w.set_state(State.POSTCOPY_ACTIVE)


def pause(w: World) -> bool:
    """Wait for recovery after the link broke; True when the migration goes on."""
    preempt.serve(w)
    fall_silent(w)
    w.emit(Event.POSTCOPY_PAUSE_RETURN_PATH)
    destination.drop_in_flight(w, w.cut_ns)
    while True:
        timeline.apply(w)  # the cut itself is among the items that are due
        w.cut_ns = -1
        w.error = False
        if not wait_for_resume(w):
            w.finished = True
            return False
        if recover(w):
            return True
        fall_silent(w)


def fall_silent(w: World) -> None:
    """Pause both sides."""
    w.set_state(State.POSTCOPY_PAUSED)
    pause_destination(w)


def pause_destination(w: World) -> None:
    """Let the destination wait, too, if it runs by now and is not what failed."""
    runs = w.destination_runs_ns <= w.t
    if runs and not timeline.destination_error_before(w, w.t):
        endings.destination_is(w, State.POSTCOPY_PAUSED, w.run_state_before)
    else:
        endings.destination_is(w, State.FAILED, RunState.EXITED)


def wait_for_resume(w: World) -> bool:
    """Let time pass until `migrate` with resume comes; False when it never does.

    Nobody answers before the destination was told to listen again: then both stay paused.
    """
    timeline.apply(w)
    while not (w.resume_asked and w.recover_asked):
        if w.resume_asked:
            w.resume_asked = False
            w.set_state(State.POSTCOPY_RECOVER_SETUP)
            w.set_state(State.POSTCOPY_PAUSED)
        later = timeline.next_moment(w)
        if later < 0:
            return False
        w.t = max(w.t, later)
        timeline.apply(w)
    w.resume_asked = w.recover_asked = False
    w.cut_ns = -1  # what broke meanwhile was not in use
    return True


def recover(w: World) -> bool:
    """Agree with the destination on what it has, and go on with the rest (postcopy_do_resume).

    False if the link breaks before both are done.
    """
    w.set_state(State.POSTCOPY_RECOVER_SETUP)
    if not passes(w, w.incoming.costs.connect_ns + round_trip_ns(w)):
        return False
    w.drain_end = w.t
    network.reset(w)
    w.link_bandwidth = w.plan.recovery_link_bandwidth_bytes_per_s
    w.rate_limit_max = decisions.rate_limit_max(w.parameters["max-postcopy-bandwidth"])
    w.set_state(State.POSTCOPY_RECOVER)
    w.destination_state = State.POSTCOPY_RECOVER
    if not fetch_received(w):
        return False
    w.bmap = bytearray(w.missing)
    w.dirty_pages = sum(w.missing)
    w.last_seen_block, w.last_page, w.last_sent_block = 0, 0, -1
    if w.plan.postcopy_preempt and not preempt.open_channel(w):
        return False
    savevm.command(w, savevm.POSTCOPY_RESUME, 0)
    if not passes(w, round_trip_ns(w)):
        return False
    w.set_state(State.POSTCOPY_ACTIVE)
    w.destination_state = State.POSTCOPY_ACTIVE
    w.emit(Event.POSTCOPY_PAUSE_CONTINUED)
    destination.go_on(w)
    return True


def fetch_received(w: World) -> bool:
    """Ask for each block's bitmap of received pages, and wait for all of them."""
    answer_bytes = 0
    for pages, id_bytes in zip(w.plan.block_pages, w.plan.block_id_bytes, strict=True):
        savevm.command(w, savevm.RECV_BITMAP, 1 + id_bytes)
        answer_bytes += ANSWER_HEADER_BYTES + id_bytes
        answer_bytes += BITMAP_FRAME_BYTES + (pages + 63) // 64 * 8
    wait_ns = round_trip_ns(w)
    if w.link_bandwidth > 0:
        wait_ns += answer_bytes * 1_000_000_000 // w.link_bandwidth
    return passes(w, wait_ns)


def passes(w: World, duration_ns: int) -> bool:
    """Let time pass in the handshake; False if the link has broken by then."""
    cut = timeline.cut_before(w, w.t + duration_ns)
    if cut >= 0:
        w.t = max(w.t, cut)
        w.error = True
    if w.error:
        return False
    w.t += duration_ns
    return True
