"""Random numbers of the writers: known outputs, jumps, and how often each page comes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.workload_strategies import writes_of
from migkit._engine.writers import make_writer
from migkit.oracle import draws
from migkit.workloads import HotCold, Uniform, Zipf


@given(st.integers(1, 2**32 - 1), st.integers(0, 300))
def test_jump_goes_where_single_steps_go(state, steps):
    walked = state
    for number, _ in zip(draws.xorshift32(state), range(steps), strict=False):
        walked = number
    assert draws.jump(state, steps) == walked


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**60), st.integers(0, 2**60))
def test_two_jumps_are_one(state, first, second):
    assert draws.jump(draws.jump(state, first), second) == draws.jump(state, first + second)


def test_xorshift_returns_after_its_period():
    assert draws.jump(12345, 2**32 - 1) == 12345


def test_counter_numbers_are_splitmix64():
    """First outputs of SplitMix64 from state 0, as its authors' program prints them."""
    outputs = [draws.counter(0, n) for n in range(3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def counts_of(spec, n_writes):
    writer = make_writer(spec)
    pages = [page for _, page in writes_of(writer, 10**18, most=n_writes)]
    return np.bincount(pages, minlength=spec.pages)


def far_from(counts, probabilities):
    """Chi-square in standard deviations from what it is expected to be."""
    expected = probabilities * counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    return (chi2 - (counts.size - 1)) / math.sqrt(2 * (counts.size - 1))


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.2, 2.5])
def test_zipf_pages_come_as_often_as_their_rank_says(exponent):
    spec = Zipf(rate_pages_per_s=10**6, exponent=exponent).within(40)
    weights = np.arange(1, 41) ** -float(exponent)
    assert abs(far_from(counts_of(spec, 100_000), weights / weights.sum())) < 5


@pytest.mark.parametrize("generator", ["counter", "xorshift32"])
def test_uniform_pages_come_equally_often(generator):
    spec = Uniform(rate_pages_per_s=10**6, generator=generator).within(50)
    assert abs(far_from(counts_of(spec, 100_000), np.full(50, 1 / 50))) < 5


def test_hot_pages_get_their_share():
    spec = HotCold(rate_pages_per_s=10**6, hot_pages=10, hot_percent=80).within(50)
    expected = np.r_[np.full(10, 0.08), np.full(40, 0.005)]
    assert abs(far_from(counts_of(spec, 100_000), expected)) < 5
