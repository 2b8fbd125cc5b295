"""Slowing a guest down, by hand: each rule in both versions."""

import pytest

from migkit._engine import throttling as compiled
from migkit.oracle import throttling as plain


@pytest.fixture(params=[plain, compiled], ids=["plain", "compiled"])
def rule(request):
    return request.param


def test_every_second_bad_period_throttles_and_good_ones_forget_nothing(rule):
    count, acted = 0, []
    for wanted in (True, False, True, True, False, False, True):
        count, act = rule.throttle_count_step(count, wanted)
        acted.append(act)
    assert acted == [False, False, True, False, False, False, True]
    assert not rule.throttle_wanted(50, 100, 50)
    assert rule.throttle_wanted(51, 100, 50)


def test_throttle_climbs_by_increments_to_its_maximum(rule):
    steps, now = [], 0
    for _ in range(10):
        now = rule.throttle_step(now, 20, 10, False, 95, 1, 2)
        steps.append(now)
    assert steps == [20, 30, 40, 50, 60, 70, 80, 90, 95, 95]
    assert [rule.throttle_clamped(p) for p in (0, 50, 100)] == [1, 50, 99]


def test_tailslow_takes_only_what_the_dirty_rate_asks(rule):
    assert rule.throttle_step(20, 20, 10, True, 99, 95, 100) == 24  # 80 - trunc(80 * 0.95)
    assert rule.throttle_step(20, 20, 10, True, 99, 50, 100) == 30


@pytest.mark.parametrize(
    ("percentage", "sleep_ms", "period_ms"),
    [(20, 2.5, 12.5), (30, 4.286, 14.286), (50, 10, 20), (60, 15, 25), (70, 23.33, 33.33),
     (80, 40, 50), (90, 90, 100), (99, 990, 1000)],
)  # fmt: skip
def test_throttled_vcpu_sleeps_as_tabulated(rule, percentage, sleep_ms, period_ms):
    assert rule.throttle_sleep_ns(percentage) / 1e6 == pytest.approx(sleep_ms, abs=0.004)
    assert rule.throttle_period_ns(percentage) / 1e6 == pytest.approx(period_ms, abs=0.004)


def test_throttle_timer_stays_out_of_the_first_sweep(rule):
    cases = [(0, 0), (1, 1), (2, 1), (2, 2)]
    assert [rule.throttle_timer_sync_due(*case) for case in cases] == [False, False, False, True]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((100, 125, 77, 4096, 300), (77, 300)),  # within the tolerance of 25 MB/s
        ((100, 0, 77, 4096, 300), (0, 300)),
        ((300, 400, 0, 4096, 500), (3200, 500)),  # 16 MiB ring: 32 ms full, a tenth of it
        ((300, 400, 5000, 4096, 200), (9000, 400)),  # the largest rate seen grows
        ((100, 400, 0, 4096, 400), (120000, 400)),  # 75 % too much: 40 ms x 75 / 25
        ((400, 100, 150000, 4096, 400), (30000, 400)),
        ((400, 300, 1000, 4096, 400), (0, 400)),
        ((1, 400, 0, 4096, 400), (3960000, 400)),  # 99 times the full ring, the most
    ],
)
def test_dirty_limit_steps_by_hand(rule, arguments, expected):
    assert rule.dirty_limit_step(*arguments) == expected
