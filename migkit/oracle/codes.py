"""Names of the integer codes that a recording uses; the order is the contract."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Migration states in QEMU's order (qapi/migration.json MigrationStatus)."""

    NONE = 0
    SETUP = 1
    CANCELLING = 2
    CANCELLED = 3
    ACTIVE = 4
    POSTCOPY_DEVICE = 5
    POSTCOPY_ACTIVE = 6
    POSTCOPY_PAUSED = 7
    POSTCOPY_RECOVER_SETUP = 8
    POSTCOPY_RECOVER = 9
    COMPLETED = 10
    FAILED = 11
    COLO = 12
    PRE_SWITCHOVER = 13
    DEVICE = 14
    WAIT_UNPLUG = 15


class Decision(IntEnum):
    """What one pass of ``migration_iteration_run`` decides."""

    ITERATE = 0
    COMPLETE = 1
    POSTCOPY_START = 2


class SyncReason(IntEnum):
    """Who asked for a dirty-bitmap sync."""

    SETUP = 0
    EXACT = 1
    FINAL = 2
    POSTCOPY = 3
    TIMER = 4


class Checkpoint(IntEnum):
    """Points of the source's downtime (trace ``vmstate_downtime_checkpoint``)."""

    DOWNTIME_START = 0
    VM_STOPPED = 1
    ITERABLE_SAVED = 2
    NON_ITERABLE_SAVED = 3
    DOWNTIME_END = 4


class Command(IntEnum):
    """QMP commands and mishaps of a timeline."""

    MIGRATE_START_POSTCOPY = 0
    MIGRATE_SET_PARAMETERS = 1
    MIGRATE_CANCEL = 2
    MIGRATE_CONTINUE = 3
    MIGRATE_PAUSE = 4
    MIGRATE_RECOVER = 5
    MIGRATE = 6
    LINK_CHANGE = 7
    CUT = 8
    DESTINATION_ERROR = 9
    CONNECT_FAILURE = 10


class Reply(IntEnum):
    """What QEMU answers to a command."""

    ACCEPTED = 0
    NO_EFFECT = 1
    CANNOT_CANCEL = 2
    NOT_EXPECTED_STATE = 3
    CANNOT_PAUSE = 4
    CANNOT_RECOVER = 5
    CANNOT_RESUME = 6


class RunState(IntEnum):
    """Run states of a virtual machine (qapi/run-state.json), and that its QEMU has exited."""

    RUNNING = 0
    FINISH_MIGRATE = 1
    POSTMIGRATE = 2
    INMIGRATE = 3
    PAUSED = 4
    EXITED = 5


class Event(IntEnum):
    """Trace events of QEMU's source side that a simulation writes."""

    MIGRATE_SET_STATE = 0
    MIGRATION_THREAD_SETUP_COMPLETE = 1
    MIGRATE_PENDING_ESTIMATE = 2
    MIGRATE_PENDING_EXACT = 3
    MIGRATION_THREAD_LOW_PENDING = 4
    MIGRATE_TRANSFERRED = 5
    MIGRATION_BITMAP_SYNC_START = 6
    MIGRATION_BITMAP_SYNC_END = 7
    SAVEVM_SECTION_START = 8
    SAVEVM_SECTION_END = 9
    RAM_SAVE_COMPLETE = 10
    RAM_SAVE_ITERATE_BIG_WAIT = 11
    MIGRATION_THROTTLE = 12
    CPU_THROTTLE_SET = 13
    POSTCOPY_START = 14
    POSTCOPY_START_SET_RUN = 15
    MIGRATION_COMPLETION_VM_STOP = 16
    MIGRATION_PRECOPY_COMPLETE = 17
    VMSTATE_DOWNTIME_CHECKPOINT = 18
    SAVEVM_COMMAND_SEND = 19
    SAVEVM_SEND_PING = 20
    QEMU_SAVEVM_SEND_PACKAGED = 21
    SOURCE_RETURN_PATH_THREAD_PONG = 22
    SOURCE_RETURN_PATH_THREAD_POSTCOPY_PACKAGE_LOADED = 23
    MIGRATE_HANDLE_RP_REQ_PAGES = 24
    RAM_SAVE_QUEUE_PAGES = 25
    GET_QUEUED_PAGE = 26
    GET_QUEUED_PAGE_NOT_DIRTY = 27
    MIGRATION_COMPLETION_POSTCOPY_END = 28
    MIGRATION_COMPLETION_POSTCOPY_END_AFTER_COMPLETE = 29
    SOURCE_RETURN_PATH_THREAD_SHUT = 30
    MIGRATION_THREAD_AFTER_LOOP = 31
    MIGRATION_RETURN_PATH_END_BEFORE = 32
    MIGRATION_RETURN_PATH_END_AFTER = 33
    SAVEVM_STATE_HEADER = 34
    SAVEVM_STATE_SETUP = 35
    SAVEVM_STATE_ITERATE = 36
    MIGRATE_ERROR = 37
    POSTCOPY_PAUSE_RETURN_PATH = 38
    POSTCOPY_PAUSE_CONTINUED = 39
    POSTCOPY_PREEMPT_NEW_CHANNEL = 40
    POSTCOPY_PREEMPT_SEND_HOST_PAGE = 41
    MIGRATION_BITMAP_CLEAR_DIRTY = 42
    CPU_THROTTLE_DIRTY_SYNC = 43
    MIGRATION_DIRTY_LIMIT_GUEST = 44
    DIRTYLIMIT_THROTTLE_PCT = 45
    DIRTYLIMIT_VCPU_EXECUTE = 46
    MULTIFD_SEND_SYNC_MAIN = 47
