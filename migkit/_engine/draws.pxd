# Random numbers of the writers; migkit.oracle.draws is the same, spelled out.
#
# `counter` numbers have no state: number n of a stream is output n of SplitMix64. `xorshift32` is
# the generator of the captures' guest, with a jump over any count of numbers.

from libc.math cimport exp, expm1, floor, log, log1p
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from *:
    """
    #define MIGKIT_GOLDEN 0x9E3779B97F4A7C15ULL
    #define migkit_high_half(a, b) ((uint64_t)(((unsigned __int128)(a) * (b)) >> 64))
    """
    uint64_t GOLDEN "MIGKIT_GOLDEN"
    uint64_t high_half "migkit_high_half"(uint64_t a, uint64_t b) noexcept nogil


cdef inline uint64_t mix64(uint64_t z) noexcept nogil:
    """Scramble 64 bits as SplitMix64 does."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL
    return z ^ z >> 31


cdef inline uint64_t stream_key(uint64_t seed, uint64_t stream) noexcept nogil:
    """Return the state from which a stream of `counter` numbers starts."""
    return mix64(seed + GOLDEN * (stream + 1))


cdef inline uint64_t counter(uint64_t key, uint64_t n) noexcept nogil:
    """Return number `n` of a stream."""
    return mix64(key + GOLDEN * (n + 1))


cdef inline uint32_t xorshift32(uint32_t x) noexcept nogil:
    """Return the number after `x`, which is also the next state."""
    x ^= x << 13
    x ^= x >> 17
    x ^= x << 5
    return x


cdef inline uint32_t xorshift32_start(uint64_t seed) noexcept nogil:
    """Return the state before the first number."""
    return <uint32_t>(2463534242ULL ^ seed * 2654435761ULL)


cdef inline uint32_t times_matrix(const uint32_t *columns, uint32_t vector) noexcept nogil:
    """Multiply a matrix over GF(2), given by its columns, with a vector of 32 bits."""
    cdef uint32_t result = 0
    cdef int bit
    for bit in range(32):
        if vector >> bit & 1:
            result ^= columns[bit]
    return result


cdef inline uint32_t jump(uint32_t x, uint64_t steps) noexcept nogil:
    """Return the state after `steps` numbers: a power of the step's matrix."""
    cdef uint32_t power[32]
    cdef uint32_t square[32]
    cdef int bit
    for bit in range(32):
        power[bit] = xorshift32(<uint32_t>1 << bit)
    while steps:
        if steps & 1:
            x = times_matrix(power, x)
        for bit in range(32):
            square[bit] = times_matrix(power, power[bit])
        for bit in range(32):
            power[bit] = square[bit]
        steps >>= 1
    return x


# A number modulo a range, by two products (Lemire, Kaser, Kurz 2019): exact for 32-bit numbers.
cdef struct Range:
    uint64_t size
    uint64_t inverse


cdef inline Range make_range(uint64_t size) noexcept nogil:
    """Prepare a range of 1 or more."""
    cdef Range made
    made.size = size
    made.inverse = 0xFFFFFFFFFFFFFFFFULL // size + 1
    return made


cdef inline uint64_t modulo(uint32_t number, Range within) noexcept nogil:
    """Reduce a number to the range."""
    if within.size >> 32:
        return number
    return high_half(within.inverse * number, within.size)


# Page k with probability ~ 1 / (k + 1)^exponent: rejection-inversion (Hoermann, Derflinger 1996).
cdef struct Zipf:
    double pages
    double exponent
    double q
    double low
    double high
    double squeeze


cdef inline double zipf_area(double q, double x) noexcept nogil:
    """Integral of x^-exponent, for q = 1 - exponent."""
    return log(x) if q == 0.0 else expm1(q * log(x)) / q


cdef inline double zipf_inverse(double q, double y) noexcept nogil:
    """Inverse of `zipf_area`."""
    return exp(y if q == 0.0 else log1p(max(q * y, -1.0 + 2.0 ** -53)) / q)


cdef inline double zipf_weight(double exponent, double x) noexcept nogil:
    """Weight of rank `x`."""
    return exp(-exponent * log(x))


cdef inline Zipf make_zipf(int64_t pages, double exponent) noexcept nogil:
    """Prepare the distribution over `pages` pages."""
    cdef Zipf z
    z.pages = <double>pages
    z.exponent = exponent
    z.q = 1.0 - exponent
    z.low = zipf_area(z.q, 1.5) - 1.0
    z.high = zipf_area(z.q, z.pages + 0.5)
    z.squeeze = 2.0 - zipf_inverse(z.q, zipf_area(z.q, 2.5) - zipf_weight(exponent, 2.0))
    return z


cdef inline int64_t zipf_try(Zipf *z, uint64_t bits) noexcept nogil:
    """Return the page that 53 random bits select, -1 if they are rejected."""
    cdef double u = z.high + <double>bits * 2.0 ** -53 * (z.low - z.high)
    cdef double x = zipf_inverse(z.q, u)
    cdef double k = min(max(floor(x + 0.5), 1.0), z.pages)
    if k - x <= z.squeeze or u >= zipf_area(z.q, k + 0.5) - zipf_weight(z.exponent, k):
        return <int64_t>k - 1
    return -1
