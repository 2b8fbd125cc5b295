"""How a migration ends, and which of the two guests goes on (migration_iteration_finish)."""

from __future__ import annotations

from migkit.oracle import commands, decisions, guest, timeline
from migkit.oracle.codes import Checkpoint, Event, RunState, State
from migkit.oracle.world import World


def checkpoint(w: World, which: Checkpoint) -> None:
    """Record a point of the downtime."""
    w.emit(Event.VMSTATE_DOWNTIME_CHECKPOINT, int(which))


def take_lock(w: World) -> None:
    """Take the big QEMU lock: commands that need it wait from here on."""
    timeline.apply(w)
    w.lock_held = True


def release_lock(w: World) -> None:
    """Let the commands through that have come meanwhile."""
    if w.lock_held:
        w.lock_held = False
        w.lock_released_ns = w.t


def finish(w: World) -> None:
    """Account downtime, total time and throughput (migration_completion_end)."""
    if w.downtime_ms == 0:  # else postcopy has set it, and that stays
        checkpoint(w, Checkpoint.DOWNTIME_END)
    now = w.now_ms()
    w.downtime_ms = decisions.completed_downtime_ms(w.downtime_ms, downtime_start_ms(w), now)
    w.total_time_ms = now - w.start_ms
    w.mbps = decisions.mbps_whole(w.transferred, w.total_time_ms - w.setup_time_ms, w.mbps)
    w.set_state(State.COMPLETED)
    stays = w.plan.snapshot is not None
    w.run_state = w.run_state_before if stays else RunState.POSTMIGRATE
    if cut_on_the_way(w):
        destination_is(w, State.FAILED, RunState.EXITED)
    else:
        destination_is(w, State.COMPLETED, w.run_state_before)
    end_loop(w)


def cut_on_the_way(w: World) -> bool:
    """Whether the end of a stream that nobody acknowledges is lost: the source does not know."""
    if w.plan.has_return_path:
        return False
    return timeline.cut_before(w, w.drain_end + w.latency_ns) >= 0


def downtime_start_ms(w: World) -> int:
    """Return the millisecond in which the guest was stopped."""
    return (w.downtime_start_ns + w.plan.host.clock_phase_ns) // 1_000_000


def fail(w: World) -> None:
    """End without success: failed, or cancelled if that was asked for; the guest may go on."""
    w.emit(Event.MIGRATE_ERROR)
    if w.state == State.CANCELLING:
        w.set_state(State.CANCELLED)
    elif not w.abandoned:
        w.set_state(State.FAILED)
    if not w.abandoned:
        settle(w)
    end_loop(w)


def settle(w: World) -> None:
    """Say what becomes of the destination, and whether the source's guest goes on."""
    starts = destination_starts_ns(w)
    runs = 0 <= starts <= w.t
    blindly, locked = w.plan.restarts_blindly, w.plan.images_locked
    if commands.source_restarts(blindly, locked, runs):
        w.run_state = w.run_state_before
        guest.resume(w)
    if w.connect_failed:
        return  # it goes on listening
    if starts < 0:
        destination_is(w, State.FAILED, RunState.EXITED)
    elif w.whole_stream_ns >= 0:
        stays = locked and not runs  # the source has taken the images back
        destination_is(w, State.COMPLETED, RunState.PAUSED if stays else w.run_state_before)
    else:
        destination_is(w, State.POSTCOPY_PAUSED, w.run_state_before)


def destination_is(w: World, state: State, run_state: RunState) -> None:
    """Set both states of the destination, if there is one."""
    if w.plan.target is None:
        w.destination_state, w.destination_run_state = state, run_state


def destination_starts_ns(w: World) -> int:
    """Return when the destination's guest starts or has started, or -1 if it will not."""
    failed = timeline.destination_error_before(w, w.t)
    if failed:
        return -1
    if w.whole_stream_ns >= 0:
        arrived = w.whole_stream_ns - w.plan.host.load_ns
        return -1 if timeline.cut_before(w, arrived) >= 0 else w.whole_stream_ns
    return w.destination_runs_ns if 0 <= w.destination_runs_ns <= w.t else -1


def end_loop(w: World) -> None:
    """Leave the migration thread's loop."""
    release_lock(w)
    w.emit(Event.MIGRATION_THREAD_AFTER_LOOP)
    w.finished = True
