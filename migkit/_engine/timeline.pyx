"""What a user or a mishap does while the migration runs.

A command changes a value at its time; the migration thread sees it when it looks next: at the
top of a pass, after a write, after a sleep. Nothing wakes it (migration_rate_limit).
"""

from libc.stdint cimport int64_t

from migkit._engine.commands cimport reply_to, waits_for_lock
from migkit._engine.decisions cimport rate_limit_max
from migkit._engine.guest cimport advance
from migkit._engine.network cimport change
from migkit._engine.types cimport (
    COMMAND_CUT, COMMAND_DESTINATION_ERROR, COMMAND_LINK_CHANGE, COMMAND_MIGRATE,
    COMMAND_MIGRATE_CANCEL, COMMAND_MIGRATE_CONTINUE, COMMAND_MIGRATE_PAUSE,
    COMMAND_MIGRATE_RECOVER, COMMAND_MIGRATE_SET_PARAMETERS, COMMAND_MIGRATE_START_POSTCOPY,
    REPLY_ACCEPTED, STATE_CANCELLED, STATE_CANCELLING, STATE_COMPLETED, STATE_FAILED,
    STATE_PRE_SWITCHOVER, STATE_SETUP,
)
from migkit._engine.world cimport Parameters, TimelineItem, World


cdef void apply(World w) noexcept nogil:
    """Carry out every item whose time or condition has come."""
    cdef int index
    for index in range(w.timeline_count):
        if not w.timeline[index].fired and due(w, &w.timeline[index]):
            w.timeline[index].fired = True
            carry_out(w, &w.timeline[index])


cdef void look_for_detection(World w) noexcept nogil:
    """See a change of zero-page-detection that has come: that is read for each page."""
    cdef int index
    cdef TimelineItem *item
    for index in range(w.timeline_count):
        item = &w.timeline[index]
        if item.changes.zero_page_detection >= 0 and not item.fired and due(w, item):
            apply(w)
            return


cdef bint due(World w, TimelineItem *item) noexcept nogil:
    """Whether the item's moment has come."""
    cdef int64_t seen
    if waits_for_lock(item.command, w.sides.lock_held):
        return False
    if item.at_state >= 0:
        return w.state == item.at_state
    if item.at_event >= 0:
        seen = w.event_ns[item.at_event]
        return seen >= 0 and seen + item.after_ns <= w.t
    return item.at_ns <= w.t


cdef int64_t cut_before(World w, int64_t limit) noexcept nogil:
    """Return when the link is cut, if that is not after `limit`; else -1.

    A destination that fails closes its side, which is a cut as soon as the source knows.
    """
    cdef int index
    cdef int64_t first = w.cut_ns, at
    cdef TimelineItem *item
    for index in range(w.timeline_count):
        item = &w.timeline[index]
        if item.fired or item.at_ns < 0:
            continue
        if item.command == COMMAND_CUT or item.command == COMMAND_DESTINATION_ERROR:
            at = item.at_ns
            if item.command == COMMAND_DESTINATION_ERROR:
                at += w.net.back_ns
            if first < 0 or at < first:
                first = at
    return first if first <= limit else -1


cdef bint destination_error_before(World w, int64_t limit) noexcept nogil:
    """Whether the destination has failed to load by `limit`, be that known here or not."""
    cdef int index
    cdef TimelineItem *item
    if 0 <= w.sides.destination_failed_ns <= limit:
        return True
    for index in range(w.timeline_count):
        item = &w.timeline[index]
        if not item.fired and item.command == COMMAND_DESTINATION_ERROR:
            if 0 <= item.at_ns <= limit:
                return True
    return False


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
    """Return the moment at which an item that is due came, or was let through."""
    cdef int64_t at
    if item.at_event >= 0:
        at = w.event_ns[item.at_event] + item.after_ns
    else:
        at = item.at_ns if item.at_ns >= 0 else w.t
    if waits_for_lock(item.command, True):
        return max(at, w.sides.lock_released_ns)
    return at


cdef void carry_out(World w, TimelineItem *item) noexcept nogil:
    """Answer a command by the state of its side, and do what an accepted one does."""
    cdef int64_t at = moment(w, item)
    if answer(w, item, at) == REPLY_ACCEPTED:
        execute(w, item, at)


cdef int64_t answer(World w, TimelineItem *item, int64_t at) noexcept nogil:
    """Answer a command and record that."""
    cdef bint to_destination = item.command == COMMAND_MIGRATE_RECOVER or (
        item.command == COMMAND_MIGRATE_PAUSE and item.to_destination
    )
    cdef int64_t state = w.destination_state if to_destination else w.state
    cdef int64_t *row = w.commands.new_row()
    row[0] = at
    row[1] = item.command
    row[2] = to_destination
    row[3] = reply_to(item.command, state, item.asked_state, w.release.on)
    return row[3]


cdef void execute(World w, TimelineItem *item, int64_t at) noexcept nogil:
    """Change the state that the command changes."""
    cdef int64_t command = item.command
    if command == COMMAND_MIGRATE_START_POSTCOPY:
        w.start_postcopy = w.postcopy_possible
    elif command == COMMAND_MIGRATE_SET_PARAMETERS:
        set_parameters(w, item)
    elif command == COMMAND_MIGRATE_CANCEL:
        w.set_state_at(STATE_CANCELLING, at)
        w.error = True
    elif command == COMMAND_MIGRATE_CONTINUE:
        w.continue_asked = w.state == STATE_PRE_SWITCHOVER
    elif command == COMMAND_MIGRATE_PAUSE:
        w.cut_ns = at
        w.error = True
    elif command == COMMAND_MIGRATE_RECOVER:
        w.recover_asked = True
    elif command == COMMAND_MIGRATE:
        w.resume_asked = True
    elif command == COMMAND_LINK_CHANGE:
        change(w, at, item)
    elif command == COMMAND_CUT:
        w.cut_ns = at
    else:
        mishap(w, command, at)


cdef void mishap(World w, int64_t command, int64_t at) noexcept nogil:
    """Let the destination fail to load, or the connection fail while setup waits for it."""
    if command == COMMAND_DESTINATION_ERROR:
        w.sides.destination_failed_ns = at
        w.cut_ns = at + w.net.back_ns
    elif w.state == STATE_SETUP and w.destination_state == STATE_SETUP:
        w.sides.connect_failed = True
        w.error = True


cdef void answer_the_rest(World w) noexcept nogil:
    """Answer what is given after the end."""
    cdef int index
    if w.state not in (STATE_COMPLETED, STATE_FAILED, STATE_CANCELLED):
        return
    for index in range(w.timeline_count):
        if not w.timeline[index].fired and w.timeline[index].at_ns >= 0:
            answer(w, &w.timeline[index], w.timeline[index].at_ns)


cdef void set_parameters(World w, TimelineItem *item) noexcept nogil:
    """Change migration parameters; who uses one reads it then, only a budget acts at once."""
    cdef Parameters *changes = &item.changes
    cdef int64_t budget = changes.max_bandwidth
    if w.in_postcopy():
        budget = changes.max_postcopy_bandwidth
    if changes.dirty_limit_period_ms >= 0 and w.dirty_limit.in_service:
        advance(w)      # the measurement that runs by now began with the old period
    if changes.zero_page_detection >= 0:
        w.detection_changes -= 1
    overlay(&w.parameters, changes)
    if w.xbzrle is not None and changes.xbzrle_cache_size >= 0:
        w.xbzrle.resize(changes.xbzrle_cache_size)
    if budget >= 0:
        w.rate_limit_max = rate_limit_max(budget)


cdef void overlay(Parameters *parameters, Parameters *changes) noexcept nogil:
    """Take over every value that a command names."""
    cdef int64_t *into = <int64_t *> parameters
    cdef int64_t *values = <int64_t *> changes
    cdef int index
    for index in range(<int> (sizeof(Parameters) // sizeof(int64_t))):
        if values[index] >= 0:
            into[index] = values[index]
