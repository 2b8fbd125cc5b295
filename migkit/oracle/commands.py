"""What QEMU answers to a command, by the states of the two sides (migration/migration.c, qmp_*).

Pure functions, as in ``decisions``; compiled ones of the same names are in
``migkit._engine.commands``.
"""

from __future__ import annotations

from migkit.oracle.codes import Command, Reply, State

_ENDED = {State.NONE, State.CANCELLED, State.FAILED, State.COMPLETED, State.CANCELLING}
_POSTCOPY = {State.POSTCOPY_DEVICE, State.POSTCOPY_ACTIVE, State.POSTCOPY_PAUSED}
_POSTCOPY |= {State.POSTCOPY_RECOVER_SETUP, State.POSTCOPY_RECOVER}
_CAN_PAUSE = {State.POSTCOPY_ACTIVE, State.POSTCOPY_RECOVER}
_NEED_LOCK = {Command.MIGRATE_START_POSTCOPY, Command.MIGRATE_SET_PARAMETERS}
_NEED_LOCK |= {Command.MIGRATE_CANCEL, Command.MIGRATE_CONTINUE, Command.MIGRATE}


def reply_to(command: int, state: int, asked_state: int, released: bool = False) -> int:
    """Say what a side in ``state`` answers; ``asked_state`` is the state a continue names.

    ``released`` is capability release-ram: what the source gave back it cannot send again.

    migrate-recover is the destination's to answer, the rest are the source's, and migrate-pause
    either's.
    """
    if command == Command.MIGRATE_CANCEL:
        if state in _POSTCOPY:
            return Reply.CANNOT_CANCEL
        return Reply.NO_EFFECT if state in _ENDED else Reply.ACCEPTED
    if command == Command.MIGRATE_CONTINUE and state != asked_state:
        return Reply.NOT_EXPECTED_STATE
    if command == Command.MIGRATE_PAUSE and state not in _CAN_PAUSE:
        return Reply.CANNOT_PAUSE
    if command == Command.MIGRATE_RECOVER and state != State.POSTCOPY_PAUSED:
        return Reply.CANNOT_RECOVER
    if command == Command.MIGRATE and state != State.POSTCOPY_PAUSED:
        return Reply.CANNOT_RESUME
    if command == Command.MIGRATE and released:
        return Reply.CANNOT_RESUME_RELEASED
    return Reply.ACCEPTED


def waits_for_lock(command: int, lock_held: bool) -> bool:
    """Whether a command waits while the migration thread holds the big QEMU lock.

    migrate-pause and migrate-recover are taken out of band; what happens to the link happens.
    """
    return lock_held and command in _NEED_LOCK


def source_restarts(blindly: bool, images_locked: bool, destination_runs: bool) -> bool:
    """Whether the source's guest goes on after a migration that did not succeed.

    Since 10.1 it stays stopped where its images cannot be taken back because the destination
    has locked them (migration_iteration_finish, block-active.c); before, ``blindly``, that was
    ignored.
    """
    return blindly or not (images_locked and destination_runs)
