"""The migration thread of the source: setup, passes, and the decision of each.

Source: migration/migration.c (migration_thread, migration_iteration_run, migration_detect_error).
"""

from __future__ import annotations

from collections.abc import Callable

from migkit._engine import decisions
from migkit.channels import Channel
from migkit.errors import MigkitError
from migkit.live.machine_types import waits_for_ack
from migkit.schema import DECISIONS, STATES
from migkit.stream import writer

from . import ram
from .limiter import now_ms
from .outgoing import RUNNING_STATES, Outgoing
from .recovery import recover
from .replies import Replies
from .switchover import complete_postcopy, complete_precopy, start_postcopy
from .sync import start_timer, sync, timer_sync

__all__ = ["run"]

_ACK_POLL_S = 0.001


def run(m: Outgoing, reconnect: Callable[[], Channel] | None) -> None:
    """Migrate; the state at the end tells how it went, `Outgoing.error` why it failed.

    Parameters
    ----------
    m : Outgoing
        Connected, nothing sent yet.
    reconnect : callable or None
        Opens a channel for the recovery after a cut in postcopy; None leaves it paused.
    """
    _guarded(m, _set_up, _passes)
    while m.state == "postcopy-paused" and reconnect is not None:
        try:
            recover(m, reconnect)
        except MigkitError as error:
            _note(m, error)
            break
        m.error = None
        _guarded(m, _passes)
    m.trail.add("migration_thread_after_loop")


def _guarded(m: Outgoing, *steps: Callable[[Outgoing], object]) -> None:
    """Do the steps; an error turns the migration into the state that QEMU goes into."""
    try:
        for step in steps:
            step(m)
    except MigkitError as error:
        _note(m, error)
        _break(m)


def _note(m: Outgoing, error: MigkitError) -> None:
    m.error = error
    m.trail.add("migrate_error", error=str(error))


def _break(m: Outgoing) -> None:
    """Go into the state that QEMU goes into when its channel broke."""
    code = decisions.state_after_channel_error(STATES.index(m.state), m.in_completion)
    m.turn(STATES[code])


def _set_up(m: Outgoing) -> None:
    m.turn("setup")
    if m.multifd is not None:
        m.multifd.start()
    m.trail.add("savevm_state_header")
    m.file.put(writer.header(m.image.configuration))
    if m.replies is not None:
        m.replies.start()
        m.file.command("OPEN_RETURN_PATH")
        m.file.ping(1)
    if "postcopy-ram" in m.capabilities:
        size = m.image.page_size
        sizes = 0
        for block in m.image.blocks:
            sizes |= block.page_bytes or size
        m.file.commands([writer.advise(sizes, size)])
    m.trail.add("savevm_state_setup")
    m.guest.start()
    start_timer(m)
    ram.setup(m)
    m.turn("active")
    m.counted.setup_ms = m.trail.now_ns() // 1_000_000
    m.trail.add("migration_thread_setup_complete")


def _passes(m: Outgoing) -> None:
    while m.state in RUNNING_STATES:
        m.check()
        timer_sync(m)
        if not m.limiter.exceeded():
            if not _pass(m):
                continue
            if m.progress is not None:
                m.progress(m.counted)
        if m.state in RUNNING_STATES:
            m.limiter.limit()


def _pass(m: Outgoing) -> bool:
    """Decide and do one pass; False when the loop goes on at once, as after postcopy's start."""
    pending, must = _pending(m, "migrate_pending_estimate")
    if m.state == "postcopy-device" and m.replies is not None:
        if decisions.postcopy_device_over(m.replies.package_loaded.is_set(), pending):
            m.replies.await_that(m.replies.package_loaded, "PONG of the package", m.timeout_s)
            m.turn("postcopy-active")
    if _exact_wanted(m, pending):
        if not m.in_postcopy:
            sync(m)
        pending, must = _pending(m, "migrate_pending_exact")
    allowed = decisions.can_switchover(
        "switchover-ack" in m.capabilities and waits_for_ack(m.image.configuration.machine),
        m.guest.running,
        m.replies is not None and m.replies.acknowledged.is_set(),
    )
    rule = decisions.completion_after if m.rule == "after" else decisions.completion_before
    asked = m.start_postcopy()
    code = rule(m.in_postcopy, pending, must, m.limiter.threshold, allowed, asked)
    return _do(m, DECISIONS[code], pending, allowed=allowed)


def _do(m: Outgoing, decision: str, pending: int, *, allowed: bool) -> bool:
    if decision == "postcopy_start":
        start_postcopy(m)
        return False
    if decision == "complete":
        m.trail.add("migration_thread_low_pending", pending=pending)
        if m.in_postcopy:
            complete_postcopy(m)
        else:
            complete_precopy(m)
        return True
    ram.iterate(m)
    if not allowed and m.replies is not None:
        _await_ack(m, m.replies, pending)
    return True


def _await_ack(m: Outgoing, replies: Replies, pending: int) -> None:
    """Give it a moment; where it alone is missing, no longer than any other answer."""
    replies.acknowledged.wait(_ACK_POLL_S)
    if pending > m.limiter.threshold:
        m.ack_due_ms = 0
        return
    m.ack_due_ms = m.ack_due_ms or now_ms() + int(m.timeout_s * 1000)
    if now_ms() > m.ack_due_ms:
        raise replies.late("SWITCHOVER_ACK", m.timeout_s)


def _exact_wanted(m: Outgoing, pending: int) -> bool:
    if m.syncs.exact_each_pass:
        return decisions.exact_wanted_each_pass(m.in_postcopy)
    if m.rule == "after":
        return decisions.exact_wanted_after(m.in_postcopy, pending, m.limiter.threshold)
    return decisions.exact_wanted_before(pending, m.limiter.threshold)


def _pending(m: Outgoing, event: str) -> tuple[int, int]:
    """Return the bytes pending, and those of them that have to go before the switchover."""
    pending = m.pending_bytes
    later = pending if "postcopy-ram" in m.capabilities else 0
    m.trail.add(event, size=pending, pre=pending - later, post=later)
    return pending, pending - later
