"""How much a guest that dirties too fast is slowed down: auto-converge and the dirty limit.

Pure functions, as in ``decisions``; compiled ones of the same names are in
``migkit._engine.throttling``. Integers are non-negative and below 2**53. The rules are those of
QEMU 10.2: ``migration/ram.c``, ``migration/cpu-throttle.c``, ``system/dirtylimit.c``.
"""

PAGE_BYTES = 4096
PAGE_SHIFT = 12
THROTTLE_SLICE_NS = 10_000_000  # CPU_THROTTLE_TIMESLICE_NS
DIRTY_LIMIT_TOLERANCE = 25  # MB/s, DIRTYLIMIT_TOLERANCE_RANGE
DIRTY_LIMIT_LINEAR_PERCENT = 50  # DIRTYLIMIT_LINEAR_ADJUSTMENT_PCT
DIRTY_LIMIT_MAX_PERCENT = 99  # DIRTYLIMIT_THROTTLE_PCT_MAX


def throttle_threshold_bytes(transferred_bytes: int, throttle_trigger_threshold: int) -> int:
    """Dirty bytes a period may show before it counts as bad (migration_trigger_throttle)."""
    return transferred_bytes * throttle_trigger_threshold // 100


def throttle_wanted(
    dirty_bytes: int, transferred_bytes: int, throttle_trigger_threshold: int
) -> bool:
    """Whether the guest dirtied too much in the period."""
    return dirty_bytes > throttle_threshold_bytes(transferred_bytes, throttle_trigger_threshold)


def throttle_acts(count: int, wanted: bool) -> bool:
    """Whether a closed period throttles: every second bad one does."""
    return wanted and count + 1 >= 2


def throttle_count(count: int, wanted: bool) -> int:
    """Count of bad periods after a closed one; good ones forget nothing."""
    return 0 if throttle_acts(count, wanted) else count + int(wanted)


def throttle_count_step(count: int, wanted: bool) -> tuple[int, bool]:
    """Both at once: the count after the period, and whether it throttles."""
    return throttle_count(count, wanted), throttle_acts(count, wanted)


def throttle_step(
    current: int,
    initial: int,
    increment: int,
    tailslow: bool,
    maximum: int,
    threshold_bytes: int,
    dirty_bytes: int,
) -> int:
    """Percentage asked for next (throttle_guest_down), for ``dirty_bytes > threshold_bytes``."""
    if current == 0:
        return initial
    if tailslow:
        cpu_now = 100 - current
        cpu_ideal = int(float(cpu_now) * (float(threshold_bytes) / float(dirty_bytes)))
        increment = min(cpu_now - cpu_ideal, increment)
    return min(current + increment, maximum)


def throttle_clamped(percentage: int) -> int:
    """Percentage in force once asked for (cpu_throttle_set)."""
    return min(max(percentage, 1), 99)


def throttle_sleep_ns(percentage: int) -> int:
    """Sleep of a vCPU in each throttle period, for 1..99 percent (cpu_throttle_thread)."""
    share = float(percentage) / 100.0
    return int(share / (1.0 - share) * float(THROTTLE_SLICE_NS) + 1.0)


def throttle_period_ns(percentage: int) -> int:
    """Time from one throttle tick to the next, for 1..99 percent (cpu_throttle_timer_tick)."""
    return int(float(THROTTLE_SLICE_NS) / (1.0 - float(percentage) / 100.0))


def throttle_timer_sync_due(count: int, previous: int) -> bool:
    """Whether the 5 s timer syncs: none since its last tick, and not in the first sweep."""
    return count > 1 and count == previous


def dirty_limit_full_us(ring_pages: int, max_rate: int) -> int:
    """Time to fill a vCPU's dirty ring at ``max_rate`` >= 1 MB/s (system/dirtylimit.c)."""
    return (ring_pages * PAGE_BYTES >> 20) * 1_000_000 // max_rate


def dirty_limit_rate(dirtied_pages: int, period_ms: int) -> int:
    """MB/s of a vCPU that dirtied that many in a measurement (migration/dirtyrate.c)."""
    return (dirtied_pages * 1000 >> 20 - PAGE_SHIFT) // period_ms


def dirty_limit_linear_step(
    quota: int, current: int, ring_pages: int, max_rate: int
) -> tuple[int, int]:
    """Percentage and step of a vCPU's sleep, in us, far from its quota; else 0 and 0.

    Close to it sleeps change by a tenth of the time to fill a ring, or not at all.
    """
    difference = abs(quota - current)
    if difference <= DIRTY_LIMIT_TOLERANCE or current == 0:
        return 0, 0
    percent = difference * 100 // max(quota, current)
    if percent <= DIRTY_LIMIT_LINEAR_PERCENT:
        return 0, 0
    full_us = dirty_limit_full_us(ring_pages, max_rate)
    return percent, int(float(full_us * percent) / (100.0 - float(percent)))


def dirty_limit_step(
    quota: int, current: int, throttle_us: int, ring_pages: int, max_rate: int
) -> tuple[int, int]:
    """Adjust a vCPU's sleep per full ring (dirtylimit_adjust_throttle).

    Rates are MB/s below 2**31, ``quota`` >= 1, ``ring_pages`` at most 65536. Gives the new
    ``throttle_us`` and the largest rate seen so far, which only ever grows.
    """
    if abs(quota - current) <= DIRTY_LIMIT_TOLERANCE:
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
