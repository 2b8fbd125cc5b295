# Every rule of QEMU's migration thread that decides something: small, pure, compiled. The words
# that explain them are in decisions.pyx, the plain-Python equals in migkit.oracle.decisions.

from libc.stdint cimport int64_t

cpdef bint exact_wanted_before(int64_t pending, int64_t threshold) noexcept nogil
cpdef bint exact_wanted_after(bint in_postcopy, int64_t pending, int64_t threshold) noexcept nogil
cpdef bint exact_wanted_each_pass(bint in_postcopy) noexcept nogil
cpdef bint sync_counted(bint stopped, bint counts_stopped) noexcept nogil
cpdef int completion_before(
    bint in_postcopy, int64_t pending, int64_t must_precopy, int64_t threshold,
    bint can_switchover, bint start_postcopy,
) noexcept nogil
cpdef int completion_after(
    bint in_postcopy, int64_t pending, int64_t must_precopy, int64_t threshold,
    bint can_switchover, bint start_postcopy,
) noexcept nogil
cpdef bint can_switchover(bint switchover_ack, bint vm_running, bint acked) noexcept nogil
cpdef bint postcopy_device_over(bint package_loaded, int64_t pending) noexcept nogil

cpdef bint window_closes(int64_t now_ms, int64_t start_ms) noexcept nogil
cpdef double window_bandwidth(int64_t transferred, int64_t time_spent_ms) noexcept nogil
cpdef double switchover_bandwidth(
    int64_t transferred, int64_t time_spent_ms, int64_t avail_switchover_bandwidth,
) noexcept nogil
cpdef int64_t threshold_size(
    int64_t transferred, int64_t time_spent_ms, int64_t avail_switchover_bandwidth,
    int64_t downtime_limit_ms,
) noexcept nogil
cpdef bint expected_downtime_refreshed(
    int64_t dirty_pages_rate, int64_t transferred,
) noexcept nogil
cpdef int64_t expected_downtime_ms(
    int64_t dirty_bytes_last_sync, int64_t transferred, int64_t time_spent_ms,
    int64_t avail_switchover_bandwidth,
) noexcept nogil
cpdef double mbps(int64_t transferred, int64_t time_spent_ms) noexcept nogil
cpdef double mbps_whole(int64_t transferred, int64_t transfer_time_ms, double last) noexcept nogil
cpdef double pages_per_second(int64_t pages, int64_t time_spent_ms) noexcept nogil
cpdef int64_t completed_downtime_ms(
    int64_t downtime_ms, int64_t downtime_start_ms, int64_t end_ms,
) noexcept nogil

cpdef int64_t blackout_ms(int64_t blackout_ns, int64_t into_ms_ns) noexcept nogil
cpdef int64_t rate_limit_max(int64_t bandwidth) noexcept nogil
cpdef bint rate_exceeded(
    int64_t transferred, int64_t rate_limit_start, int64_t rate_limit_max,
) noexcept nogil
cpdef int64_t rate_limit_sleep_ms(int64_t iteration_start_ms, int64_t now_ms) noexcept nogil
cpdef bint pass_time_over(int64_t elapsed_ns) noexcept nogil

cpdef bint sync_period_over(int64_t now_ms, int64_t last_sync_ms) noexcept nogil
cpdef int64_t dirty_pages_rate(int64_t period_pages, int64_t period_ms) noexcept nogil
cpdef int state_after_channel_error(int state, bint in_completion) noexcept nogil
