"""Random numbers of the writers, spelled out bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count

GOLDEN = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1


def stream_key(seed: int, stream: int) -> int:
    """Return the state from which a stream of `counter` numbers starts."""
    return mix64(seed + GOLDEN * (stream + 1))


def counter(key: int, n: int) -> int:
    """Return number `n` of a stream: output n of SplitMix64 (Steele, Lea and Flood 2014)."""
    return mix64(key + GOLDEN * (n + 1))


def mix64(z: int) -> int:
    """Scramble 64 bits as SplitMix64 does."""
    z &= _MASK64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (_MASK64)
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (_MASK64)
    return z ^ z >> 31


def xorshift32_start(seed: int) -> int:
    """Return the state before the first number."""
    return 2463534242 ^ (seed * 2654435761 & 0xFFFFFFFF)


def xorshift32(state: int) -> Iterator[int]:
    """Yield the numbers that follow a state."""
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state


def jump(state: int, steps: int) -> int:
    """Return the state after `steps` numbers: a power of the step's matrix over GF(2)."""
    power = [next(xorshift32(1 << bit)) for bit in range(32)]
    while steps:
        if steps & 1:
            state = _times_matrix(power, state)
        power = [_times_matrix(power, column) for column in power]
        steps >>= 1
    return state


def _times_matrix(columns: list[int], vector: int) -> int:
    """Multiply a matrix, given by its columns, with a vector of 32 bits."""
    result = 0
    for bit, column in enumerate(columns):
        if vector >> bit & 1:
            result ^= column
    return result


def zipf(pages: int, exponent: float) -> Callable[[Callable[[int], int]], int]:
    """Draw page k with probability ~ 1 / (k + 1)**exponent, for 53-bit numbers.

    Rejection-inversion (Hörmann and Derflinger 1996) with the integral of x**-exponent written
    so that it holds at exponent 1, too; every step is the one of the compiled writer.
    """
    q = 1.0 - exponent

    def area(x: float) -> float:
        log = math.log(x)
        return log if q == 0.0 else math.expm1(q * log) / q

    def inverse(y: float) -> float:
        return math.exp(y if q == 0.0 else math.log1p(max(q * y, -1.0 + 2.0**-53)) / q)

    def weight(x: float) -> float:
        return math.exp(-exponent * math.log(x))

    low, high = area(1.5) - 1.0, area(float(pages) + 0.5)
    squeeze = 2.0 - inverse(area(2.5) - weight(2.0))

    def pick(bits: Callable[[int], int]) -> int:
        for attempt in count():
            u = high + float(bits(attempt)) * 2.0**-53 * (low - high)
            x = inverse(u)
            k = min(max(math.floor(x + 0.5), 1), pages)
            if float(k) - x <= squeeze or u >= area(float(k) + 0.5) - weight(float(k)):
                return k - 1
        raise AssertionError

    return pick
