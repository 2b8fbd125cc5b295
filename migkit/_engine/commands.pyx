"""What QEMU answers to a command, by the states of the two sides (migration/migration.c, qmp_*).

The rules and their sources stand in the specification, migkit.oracle.commands.
"""

from libc.stdint cimport int64_t

from migkit._engine.types cimport (
    COMMAND_MIGRATE, COMMAND_MIGRATE_CANCEL, COMMAND_MIGRATE_CONTINUE, COMMAND_MIGRATE_PAUSE,
    COMMAND_MIGRATE_RECOVER, COMMAND_MIGRATE_SET_PARAMETERS, COMMAND_MIGRATE_START_POSTCOPY,
    REPLY_ACCEPTED, REPLY_CANNOT_CANCEL, REPLY_CANNOT_PAUSE, REPLY_CANNOT_RECOVER,
    REPLY_CANNOT_RESUME, REPLY_CANNOT_RESUME_RELEASED, REPLY_NO_EFFECT, REPLY_NOT_EXPECTED_STATE,
    STATE_CANCELLED, STATE_CANCELLING, STATE_COMPLETED, STATE_FAILED, STATE_NONE,
    STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_DEVICE, STATE_POSTCOPY_PAUSED, STATE_POSTCOPY_RECOVER,
    STATE_POSTCOPY_RECOVER_SETUP,
)


cpdef int64_t reply_to(
    int64_t command, int64_t state, int64_t asked_state, bint released=False
) noexcept nogil:
    """Say what a side in `state` answers; `asked_state` is the state a continue names."""
    if command == COMMAND_MIGRATE_CANCEL:
        return reply_to_cancel(state)
    if command == COMMAND_MIGRATE_CONTINUE and state != asked_state:
        return REPLY_NOT_EXPECTED_STATE
    if command == COMMAND_MIGRATE_PAUSE:
        if state != STATE_POSTCOPY_ACTIVE and state != STATE_POSTCOPY_RECOVER:
            return REPLY_CANNOT_PAUSE
    if command == COMMAND_MIGRATE_RECOVER and state != STATE_POSTCOPY_PAUSED:
        return REPLY_CANNOT_RECOVER
    if command == COMMAND_MIGRATE and state != STATE_POSTCOPY_PAUSED:
        return REPLY_CANNOT_RESUME
    if command == COMMAND_MIGRATE and released:
        return REPLY_CANNOT_RESUME_RELEASED
    return REPLY_ACCEPTED


cdef int64_t reply_to_cancel(int64_t state) noexcept nogil:
    """Say what a cancel is answered: too late in postcopy, nothing to do after the end."""
    if state in (STATE_POSTCOPY_DEVICE, STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_PAUSED,
                 STATE_POSTCOPY_RECOVER_SETUP, STATE_POSTCOPY_RECOVER):
        return REPLY_CANNOT_CANCEL
    if state in (STATE_NONE, STATE_CANCELLED, STATE_FAILED, STATE_COMPLETED, STATE_CANCELLING):
        return REPLY_NO_EFFECT
    return REPLY_ACCEPTED


cpdef bint waits_for_lock(int64_t command, bint lock_held) noexcept nogil:
    """Whether a command waits while the migration thread holds the big QEMU lock."""
    return lock_held and command in (
        COMMAND_MIGRATE_START_POSTCOPY, COMMAND_MIGRATE_SET_PARAMETERS, COMMAND_MIGRATE_CANCEL,
        COMMAND_MIGRATE_CONTINUE, COMMAND_MIGRATE,
    )


cpdef bint source_restarts(
    bint blindly, bint images_locked, bint destination_runs
) noexcept nogil:
    """Whether the source's guest goes on after a migration that did not succeed."""
    return blindly or not (images_locked and destination_runs)
