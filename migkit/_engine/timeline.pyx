"""What a user or a mishap does while the migration runs.

A command changes a value at its time; the migration thread sees it when it looks next: at the
top of a pass, after a write, after a sleep. Nothing wakes it (migration_rate_limit).
"""

from libc.stdint cimport int64_t

from migkit._engine.decisions cimport rate_limit_max
from migkit._engine.network cimport change
from migkit._engine.types cimport (
    COMMAND_CUT, COMMAND_LINK_CHANGE, COMMAND_MIGRATE, COMMAND_MIGRATE_CANCEL,
    COMMAND_MIGRATE_CONTINUE, COMMAND_MIGRATE_PAUSE, COMMAND_MIGRATE_RECOVER,
    COMMAND_MIGRATE_SET_PARAMETERS, COMMAND_MIGRATE_START_POSTCOPY,
    STATE_ACTIVE, STATE_CANCELLING, STATE_DEVICE, STATE_POSTCOPY_ACTIVE, STATE_POSTCOPY_PAUSED,
    STATE_PRE_SWITCHOVER, STATE_SETUP,
)
from migkit._engine.world cimport TimelineItem, World


cdef void apply(World w) noexcept nogil:
    """Carry out every item whose time or condition has come."""
    cdef int index
    for index in range(w.timeline_count):
        if not w.timeline[index].fired and due(w, &w.timeline[index]):
            w.timeline[index].fired = True
            carry_out(w, &w.timeline[index])


cdef bint due(World w, TimelineItem *item) noexcept nogil:
    """Whether the item's moment has come."""
    cdef int64_t seen
    if item.at_state >= 0:
        return w.state == item.at_state
    if item.at_event >= 0:
        seen = w.event_ns[item.at_event]
        return seen >= 0 and seen + item.after_ns <= w.t
    return item.at_ns <= w.t


cdef int64_t cut_before(World w, int64_t limit) noexcept nogil:
    """Return when the link is cut, if that is not after `limit`; else -1."""
    cdef int index
    cdef int64_t first = w.cut_ns
    cdef TimelineItem *item
    for index in range(w.timeline_count):
        item = &w.timeline[index]
        if not item.fired and item.command == COMMAND_CUT and item.at_ns >= 0:
            if first < 0 or item.at_ns < first:
                first = item.at_ns
    return first if first <= limit else -1


cdef int64_t next_moment(World w) noexcept nogil:
    """Return when the next item that has a time comes, or -1."""
    cdef int index
    cdef int64_t first = -1, at
    cdef TimelineItem *item
    for index in range(w.timeline_count):
        item = &w.timeline[index]
        if item.fired or item.at_state >= 0:
            continue
        if item.at_event >= 0 and w.event_ns[item.at_event] < 0:
            continue
        at = moment(w, item)
        if first < 0 or at < first:
            first = at
    return first


cdef int64_t moment(World w, TimelineItem *item) noexcept nogil:
    """Return the moment at which an item that is due came."""
    if item.at_event >= 0:
        return w.event_ns[item.at_event] + item.after_ns
    return item.at_ns if item.at_ns >= 0 else w.t


cdef void carry_out(World w, TimelineItem *item) noexcept nogil:
    """Change the state that the command changes."""
    cdef int64_t command = item.command
    if command == COMMAND_MIGRATE_START_POSTCOPY:
        w.start_postcopy = w.postcopy_possible
    elif command == COMMAND_MIGRATE_SET_PARAMETERS:
        set_parameters(w, item)
    elif command == COMMAND_MIGRATE_CANCEL:
        if w.state in (STATE_SETUP, STATE_ACTIVE, STATE_PRE_SWITCHOVER, STATE_DEVICE):
            w.set_state_at(STATE_CANCELLING, moment(w, item))
            w.error = True
    elif command == COMMAND_MIGRATE_CONTINUE:
        w.continue_asked = w.state == STATE_PRE_SWITCHOVER
    elif command == COMMAND_MIGRATE_PAUSE:
        if w.state == STATE_POSTCOPY_ACTIVE:
            w.cut_ns = moment(w, item)
            w.error = True
    elif command == COMMAND_MIGRATE_RECOVER:
        w.recover_asked = w.destination_state == STATE_POSTCOPY_PAUSED
    elif command == COMMAND_MIGRATE:
        w.resume_asked = w.state == STATE_POSTCOPY_PAUSED
    elif command == COMMAND_CUT:
        w.cut_ns = moment(w, item)
    elif command == COMMAND_LINK_CHANGE:
        change(w, moment(w, item), item)


cdef void set_parameters(World w, TimelineItem *item) noexcept nogil:
    """Change migration parameters; only a budget acts at once."""
    cdef int64_t budget = item.max_postcopy_bandwidth if w.in_postcopy() else item.max_bandwidth
    if item.downtime_limit_ms >= 0:
        w.parameters.downtime_limit_ms = item.downtime_limit_ms
    if item.max_bandwidth >= 0:
        w.parameters.max_bandwidth = item.max_bandwidth
    if item.max_postcopy_bandwidth >= 0:
        w.parameters.max_postcopy_bandwidth = item.max_postcopy_bandwidth
    if item.avail_switchover_bandwidth >= 0:
        w.parameters.avail_switchover_bandwidth = item.avail_switchover_bandwidth
    if budget >= 0 and w.vm_running != w.in_postcopy():
        w.rate_limit_max = rate_limit_max(budget)
