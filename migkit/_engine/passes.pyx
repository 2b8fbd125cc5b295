"""Passes of the migration thread's loop: what one did, for the recording."""

from libc.stdint cimport int64_t

from migkit._engine.world cimport World


cdef Pass begin(World w) noexcept nogil:
    """Start a pass: remember what it will be measured against."""
    cdef Pass began
    w.t += w.host.pass_ns
    began.started_ns = w.t
    began.state = w.state
    began.in_postcopy = w.in_postcopy()
    began.transferred = w.transferred
    began.normal_pages = w.normal_pages
    began.zero_pages = w.zero_pages
    return began


cdef void record(World w, const Pass *began, int64_t estimate, int64_t exact, int64_t threshold,
                 int64_t decision) noexcept nogil:
    """Append a row to the iterations."""
    cdef int64_t *row = w.iterations.new_row()
    row[0] = began.started_ns
    row[1] = began.state
    row[2] = began.in_postcopy
    row[3] = estimate
    row[4] = exact
    row[5] = threshold
    row[6] = decision
    row[7] = w.t
    row[8] = w.transferred - began.transferred
    row[9] = w.normal_pages - began.normal_pages
    row[10] = w.zero_pages - began.zero_pages
