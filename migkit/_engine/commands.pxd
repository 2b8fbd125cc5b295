from libc.stdint cimport int64_t

cpdef int64_t reply_to(
    int64_t command, int64_t state, int64_t asked_state, bint released=*
) noexcept nogil
cpdef bint waits_for_lock(int64_t command, bint lock_held) noexcept nogil
cpdef bint source_restarts(
    bint blindly, bint images_locked, bint destination_runs
) noexcept nogil
