"""Who waited for which page: the account, worked out by hand."""

from __future__ import annotations

import time

import pytest

from migkit.live.guest.fault_account import FaultAccount

US = 1000


class Clock:
    """A clock that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_us = 0
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.now_us * US)


def test_two_vcpus(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    account = FaultAccount()

    def faults(now_us: int, vcpu: int | None, page: int) -> None:
        clock.now_us = now_us
        account.found(vcpu)
        account.begin(page)

    def comes(now_us: int, *pages: int) -> None:
        clock.now_us = now_us
        account.end(pages)

    faults(1000, 0, 7)
    faults(2000, 1, 7)  # both wait from here
    comes(4000, 5, 7)  # nobody waits for page 5
    faults(5000, 0, 9)
    faults(6000, 1, 9)
    faults(6500, None, 3)  # no vCPU: asked for, not accounted
    comes(7000, 3)
    faults(7500, 0, 8)  # so page 9 is there, though nobody said so: both waited until now
    comes(7600, 9)
    comes(9500, 8)
    told = account.summary("completed", 2)
    assert told["postcopy-blocktime"] == (2000 + 1500) // 1000
    assert told["postcopy-vcpu-blocktime"] == [(3000 + 2500 + 2000) // 1000, (2000 + 1500) // 1000]
    assert told["postcopy-latency"] == (7500 + 3500) * US // 5
    assert told["postcopy-vcpu-latency"] == [2500 * US, 1750 * US]
    buckets = {number: n for number, n in enumerate(told["postcopy-latency-dist"]) if n}
    assert buckets == {10: 3, 11: 2}
    columns = account.columns()
    assert columns["page"] == [7, 7, 9, 9, 8]
    assert columns["vcpu"] == [0, 1, 0, 1, 0]
    assert columns["latency_ns"] == [n * US for n in (3000, 2000, 2500, 1500, 2000)]
    assert account.others == 1


def test_one_that_did_not_complete_tells_nothing() -> None:
    account = FaultAccount()
    assert account.summary("failed", 2) == {"status": "failed"}
    assert account.columns() == {"t_ns": [], "page": [], "vcpu": [], "latency_ns": []}
