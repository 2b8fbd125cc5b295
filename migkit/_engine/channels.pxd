# What a link does to messages beside carrying them, and how far each of its channels has come.

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #define migkit_scaled(value, times, by) ((int64_t)((__int128)(value) * (times) / (by)))
    """
    int64_t scaled "migkit_scaled"(int64_t value, int64_t times, int64_t by) noexcept nogil

cdef enum Channel:
    CHANNEL_MAIN = 0
    CHANNEL_URGENT = 1      # postcopy's second channel
    CHANNEL_BACK = 2        # the return path
    CHANNELS = 3


cdef struct Channels:
    int64_t latency_ns, back_ns, jitter_ns
    int64_t loss                # share of the packets, in billionths
    int64_t segment_bytes, timeout_ns
    uint64_t key[CHANNELS]
    int64_t messages[CHANNELS]
    int64_t last_arrival_ns[CHANNELS]
