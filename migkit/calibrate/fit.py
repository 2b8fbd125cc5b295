"""From observed spans to constants: the twin's own log must show the same medians."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from migkit.calibrate.constant import HIDDEN
from migkit.calibrate.costs import number_of, with_numbers
from migkit.calibrate.marks import Floats
from migkit.calibrate.uncertainty import pooled_median
from migkit.host import HostProfile

__all__ = ["Seen", "fitted_profile", "median_of"]

#: Constant to capture to the spans seen in it.
Seen = Mapping[str, Mapping[str, Floats]]

_ROUNDS = 4
_SLOPES: Final = (0.25, 4.0)


def fitted_profile(
    base: HostProfile, direct: Seen, seen: Seen, twins_seen: Callable[[HostProfile], Seen]
) -> HostProfile:
    """Move every constant until the twins' logs show the medians of the recorded ones.

    Parameters
    ----------
    base : HostProfile
        Where to begin; constants that nothing shows stay.
    direct : mapping
        Spans that are a cost by themselves: their median is its value.
    seen : mapping
        Spans in the recorded logs of the sources.
    twins_seen : callable
        Gives the spans in the logs of the twins, simulated with a profile.

    Returns
    -------
    HostProfile
        The fitted profile.
    """
    start = {name: round(median_of(found)) for name, found in direct.items() if found}
    profile = with_numbers(base, start)
    before: dict[str, tuple[int, float]] = {}
    for _ in range(_ROUNDS):
        simulated = twins_seen(profile)
        shown = [name for name, found in seen.items() if found and simulated[name]]
        now = {name: (number_of(profile, name), median_of(simulated[name])) for name in shown}
        values = {
            name: _moved(name, now[name], before.get(name), median_of(seen[name]))
            for name in shown
        }
        before = now
        if all(values[name] == now[name][0] for name in shown):
            break
        profile = _limited(with_numbers(profile, values), base, values)
    return profile


def median_of(seen: Mapping[str, Floats]) -> float:
    """Return the median over the spans of all captures."""
    return pooled_median(list(seen.values()))


def _moved(
    name: str, now: tuple[int, float], before: tuple[int, float] | None, wanted: float
) -> int:
    """Step towards the wanted span.

    A span grows with its own cost one to one. What runs side by side in a part (threads of
    multifd, pages that are hits or misses) follows at its own rate, seen in the step before.
    """
    value, span = now
    slope = 1.0
    if "." in name and before is not None and before[0] != value:
        slope = (span - before[1]) / (value - before[0])
        slope = min(max(slope, _SLOPES[0]), _SLOPES[1])
    return max(0, round(value + (wanted - span) / slope))


def _limited(profile: HostProfile, base: HostProfile, fitted: Mapping[str, int]) -> HostProfile:
    """Let no hidden constant be larger than the fitted one it hides behind."""
    caps = {
        hidden: min(getattr(base, hidden), fitted[shown])
        for hidden, shown in HIDDEN.items()
        if shown in fitted
    }
    return dataclasses.replace(profile, **caps)
