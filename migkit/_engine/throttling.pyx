"""How much a guest that dirties too fast is slowed down: auto-converge and the dirty limit.

Compiled; `migkit.oracle.throttling` has the same functions in plain Python, tests hold the two
equal. Integers are non-negative and below 2**53.
"""

from libc.stdint cimport int64_t

from migkit._engine.types cimport PAGE_BYTES, PAGE_SHIFT

cdef enum:
    THROTTLE_SLICE_NS = 10_000_000  # CPU_THROTTLE_TIMESLICE_NS
    DIRTY_LIMIT_TOLERANCE = 25  # MB/s, DIRTYLIMIT_TOLERANCE_RANGE
    DIRTY_LIMIT_LINEAR_PERCENT = 50  # DIRTYLIMIT_LINEAR_ADJUSTMENT_PCT
    DIRTY_LIMIT_MAX_PERCENT = 99  # DIRTYLIMIT_THROTTLE_PCT_MAX


cpdef int64_t throttle_threshold_bytes(
    int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil:
    """Dirty bytes a period may show before it counts as bad (migration_trigger_throttle)."""
    return transferred_bytes * throttle_trigger_threshold // 100


cpdef bint throttle_wanted(
    int64_t dirty_bytes, int64_t transferred_bytes, int64_t throttle_trigger_threshold,
) noexcept nogil:
    """Whether the guest dirtied too much in the period."""
    return dirty_bytes > throttle_threshold_bytes(transferred_bytes, throttle_trigger_threshold)


cpdef bint throttle_acts(int64_t count, bint wanted) noexcept nogil:
    """Whether a closed period throttles: every second bad one does."""
    return wanted and count + 1 >= 2


cpdef int64_t throttle_count(int64_t count, bint wanted) noexcept nogil:
    """Count of bad periods after a closed one; good ones forget nothing."""
    return 0 if throttle_acts(count, wanted) else count + wanted


cpdef (int64_t, bint) throttle_count_step(int64_t count, bint wanted) noexcept nogil:
    """Both at once: the count after the period, and whether it throttles."""
    return throttle_count(count, wanted), throttle_acts(count, wanted)


cpdef int64_t throttle_step(
    int64_t current, int64_t initial, int64_t increment, bint tailslow, int64_t maximum,
    int64_t threshold_bytes, int64_t dirty_bytes,
) noexcept nogil:
    """Percentage asked for next (throttle_guest_down), for ``dirty_bytes > threshold_bytes``."""
    cdef int64_t cpu_now, cpu_ideal
    if current == 0:
        return initial
    if tailslow:
        cpu_now = 100 - current
        cpu_ideal = <int64_t>(<double>cpu_now * (<double>threshold_bytes / <double>dirty_bytes))
        increment = min(cpu_now - cpu_ideal, increment)
    return min(current + increment, maximum)


cpdef int64_t throttle_clamped(int64_t percentage) noexcept nogil:
    """Percentage in force once asked for (cpu_throttle_set)."""
    return min(max(percentage, 1), 99)


cpdef int64_t throttle_sleep_ns(int64_t percentage) noexcept nogil:
    """Sleep of a vCPU in each throttle period, for 1..99 percent (cpu_throttle_thread)."""
    cdef double share = <double>percentage / 100.0
    return <int64_t>(share / (1.0 - share) * <double>THROTTLE_SLICE_NS + 1.0)


cpdef int64_t throttle_period_ns(int64_t percentage) noexcept nogil:
    """Time from one throttle tick to the next, for 1..99 percent (cpu_throttle_timer_tick)."""
    return <int64_t>(<double>THROTTLE_SLICE_NS / (1.0 - <double>percentage / 100.0))


cpdef bint throttle_timer_sync_due(int64_t count, int64_t previous) noexcept nogil:
    """Whether the 5 s timer syncs: none since its last tick, and not in the first sweep."""
    return count > 1 and count == previous


cpdef int64_t dirty_limit_full_us(int64_t ring_pages, int64_t max_rate) noexcept nogil:
    """Time to fill a vCPU's dirty ring at ``max_rate`` >= 1 MB/s (system/dirtylimit.c)."""
    return (ring_pages * PAGE_BYTES >> 20) * 1000000 // max_rate


cpdef int64_t dirty_limit_rate(int64_t dirtied_pages, int64_t period_ms) noexcept nogil:
    """MB/s of a vCPU that dirtied that many in a measurement (migration/dirtyrate.c)."""
    return (dirtied_pages * 1000 >> 20 - PAGE_SHIFT) // period_ms


cpdef (int64_t, int64_t) dirty_limit_linear_step(
    int64_t quota, int64_t current, int64_t ring_pages, int64_t max_rate,
) noexcept nogil:
    """Percentage and step of a vCPU's sleep, in us, far from its quota; else 0 and 0.

    Close to it sleeps change by a tenth of the time to fill a ring, or not at all.
    """
    cdef int64_t percent, full_us
    cdef int64_t difference = quota - current if quota > current else current - quota
    if difference <= DIRTY_LIMIT_TOLERANCE or current == 0:
        return 0, 0
    percent = difference * 100 // max(quota, current)
    if percent <= DIRTY_LIMIT_LINEAR_PERCENT:
        return 0, 0
    full_us = dirty_limit_full_us(ring_pages, max_rate)
    return percent, <int64_t>(<double>(full_us * percent) / (100.0 - <double>percent))


cpdef (int64_t, int64_t) dirty_limit_step(
    int64_t quota, int64_t current, int64_t throttle_us, int64_t ring_pages, int64_t max_rate,
) noexcept nogil:
    """Adjust a vCPU's sleep per full ring (dirtylimit_adjust_throttle).

    Rates are MB/s below 2**31, ``quota`` >= 1, ``ring_pages`` at most 65536. Gives the new
    ``throttle_us`` and the largest rate seen so far, which only ever grows.
    """
    cdef int64_t full_us, percent, step
    cdef int64_t difference = quota - current if quota > current else current - quota
    if difference <= DIRTY_LIMIT_TOLERANCE:
        return throttle_us, max_rate
    if current == 0:
        return 0, max_rate
    max_rate = max(max_rate, current)
    full_us = dirty_limit_full_us(ring_pages, max_rate)
    percent, step = dirty_limit_linear_step(quota, current, ring_pages, max_rate)
    if percent == 0:
        step = full_us // 10
    throttle_us += step if quota < current else -step
    return min(max(throttle_us, 0), full_us * DIRTY_LIMIT_MAX_PERCENT), max_rate
