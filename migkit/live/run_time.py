"""How long a vCPU has run by now, where it is let to sleep for a share of its time.

Source: system/cpu-throttle.c (cpu_throttle_thread, cpu_throttle_timer_tick); what decides is
`migkit._engine.throttling`.
"""

from __future__ import annotations

from typing import NamedTuple

from migkit._engine import throttling

__all__ = ["RunTime"]


class _Slices(NamedTuple):
    """Periods in which it sleeps, then runs: from a tick on; and what they were before."""

    tick_ns: int
    ran_ns: int
    percentage_before: int
    percentage: int


class RunTime:
    """The time of one vCPU; any thread may ask.

    Examples
    --------
    >>> time = RunTime()
    >>> time.throttle(50, 1_000_000_000)    # from now on 10 ms of sleep, 10 ms of running
    >>> time.at(1_000_000_000), time.at(1_010_000_000), time.at(3_000_000_000)
    (1000000000, 1000000000, 1999999900)
    """

    def __init__(self) -> None:
        self._slices = _Slices(0, 0, 0, 0)

    @property
    def percentage(self) -> int:
        """The share of its time for which it sleeps: QEMU's ``cpu-throttle-percentage``."""
        return self._slices.percentage

    def throttle(self, percentage: int, now_ns: int) -> None:
        """Let it sleep for this share of its time, from the next tick on (cpu_throttle_set).

        Parameters
        ----------
        percentage : int
            1..99; 0 lets it run.
        now_ns : int
            Never less than before.
        """
        tick, ran, before, current = self._slices
        if now_ns >= tick:  # else the slice of an earlier step still goes on
            at = now_ns
            if current:
                at += (tick - now_ns) % throttling.throttle_period_ns(current)
            tick, ran, before = at, self.at(at), current
        self._slices = _Slices(tick, ran, before, percentage)

    def at(self, now_ns: int) -> int:
        """Return for how long it has run, nanoseconds."""
        tick, ran, before, current = self._slices
        if now_ns < tick:  # the slice of the step before is not over
            return ran - _last_of_period(before, tick - now_ns)
        return ran + _since_tick(current, now_ns - tick)


def _since_tick(percentage: int, since_ns: int) -> int:
    if percentage == 0:
        return since_ns
    period = throttling.throttle_period_ns(percentage)
    sleep = throttling.throttle_sleep_ns(percentage)
    whole, into = divmod(since_ns, period)
    return whole * (period - sleep) + max(into - sleep, 0)


def _last_of_period(percentage: int, ahead_ns: int) -> int:
    """Return what it will run in the last so many nanoseconds of a period."""
    if percentage == 0:
        return ahead_ns
    period = throttling.throttle_period_ns(percentage)
    return min(ahead_ns, period - throttling.throttle_sleep_ns(percentage))
