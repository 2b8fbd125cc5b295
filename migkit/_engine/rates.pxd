# How many writes are due, and when: a rate that holds from one time on until the next step.
#
# Exact integers; products take 128 bits. Times are nanoseconds of a program's own time.

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>

    /* (a * b + c) / d, rounded down or up, of a numerator >= 0; too large a result saturates. */
    static inline int64_t migkit_saturated(__int128 value)
    {
        return value < INT64_MAX ? (int64_t)value : INT64_MAX;
    }
    static inline int64_t migkit_scale(int64_t a, int64_t b, int64_t c, int64_t d)
    {
        return migkit_saturated(((__int128)a * b + c) / d);
    }
    static inline int64_t migkit_scale_up(int64_t a, int64_t b, int64_t c, int64_t d)
    {
        return migkit_saturated(((__int128)a * b + c + (d - 1)) / d);
    }
    """
    int64_t scale "migkit_scale"(int64_t a, int64_t b, int64_t c, int64_t d) noexcept nogil
    int64_t scale_up "migkit_scale_up"(int64_t a, int64_t b, int64_t c, int64_t d) noexcept nogil

# From ns[i] on rate[i] / unit writes a nanosecond; due[i] writes and rest[i] / unit of one before.
cdef struct Rate:
    int64_t n_steps
    int64_t unit
    int64_t *ns
    int64_t *rate
    int64_t *due
    int64_t *rest


cdef inline int64_t due(const Rate *r, int64_t at_ns) noexcept nogil:
    """Count the writes due by then."""
    cdef int64_t low = 0, high = r.n_steps, middle
    while high - low > 1:
        middle = (low + high) >> 1
        if r.ns[middle] <= at_ns:
            low = middle
        else:
            high = middle
    if at_ns <= r.ns[low]:
        return r.due[low]
    return r.due[low] + scale(r.rate[low], at_ns - r.ns[low], r.rest[low], r.unit)


cdef inline int64_t due_ns(const Rate *r, int64_t n, int64_t batch_ns) noexcept nogil:
    """Return the end of the batch in which write number `n` (from 1) is due, -1 if never."""
    cdef int64_t low = 0, high = r.n_steps, middle, at
    while high - low > 1:
        middle = (low + high) >> 1
        if r.due[middle] < n:
            low = middle
        else:
            high = middle
    if r.rate[low] == 0:
        return -1
    at = scale_up(n - r.due[low], r.unit, -r.rest[low], r.rate[low])
    if at >= (1LL << 62) - r.ns[low]:  # later than any clock goes
        return -1
    return scale_up(r.ns[low] + at, 1, 0, batch_ns) * batch_ns
