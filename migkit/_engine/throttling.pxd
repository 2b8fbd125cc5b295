# How much a guest is slowed down; the plain-Python equals are in migkit.oracle.throttling.

from libc.stdint cimport int64_t

cpdef int64_t throttle_threshold_bytes(
    int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil
cpdef bint throttle_wanted(
    int64_t dirty_bytes, int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil
cpdef bint throttle_acts(int64_t count, bint wanted) noexcept nogil
cpdef int64_t throttle_count(int64_t count, bint wanted) noexcept nogil
cpdef (int64_t, bint) throttle_count_step(int64_t count, bint wanted) noexcept nogil
cpdef int64_t throttle_step(
    int64_t current, int64_t initial, int64_t increment, bint tailslow, int64_t maximum,
    int64_t threshold_bytes, int64_t dirty_bytes,
) noexcept nogil
cpdef int64_t throttle_clamped(int64_t percentage) noexcept nogil
cpdef int64_t throttle_sleep_ns(int64_t percentage) noexcept nogil
cpdef int64_t throttle_period_ns(int64_t percentage) noexcept nogil
cpdef bint throttle_timer_sync_due(int64_t count, int64_t previous) noexcept nogil
cpdef int64_t dirty_limit_full_us(int64_t ring_pages, int64_t max_rate) noexcept nogil
cpdef int64_t dirty_limit_rate(int64_t dirtied_pages, int64_t period_ms) noexcept nogil
cpdef (int64_t, int64_t) dirty_limit_linear_step(
    int64_t quota, int64_t current, int64_t ring_pages, int64_t max_rate,
) noexcept nogil
cpdef (int64_t, int64_t) dirty_limit_step(
    int64_t quota, int64_t current, int64_t throttle_us, int64_t ring_pages, int64_t max_rate,
) noexcept nogil
