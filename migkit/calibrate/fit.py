"""From observed spans to constants: the twin's own log must show the same medians."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from migkit.calibrate.calibration import FittedConstant
from migkit.calibrate.spans import SPANS, Floats
from migkit.host import HostProfile

__all__ = ["Seen", "fitted_constant", "fitted_profile", "limited"]

#: Constant to capture to the spans seen in it.
Seen = Mapping[str, Mapping[str, Floats]]

_ROUNDS = 4
_RESAMPLES = 400
_GRAIN_NS = 1000  # of a log's time stamp
_PER_PAGE = {
    "sparse_page_ns": 200,
    "first_touch_page_ns": 500,
    "zero_page_ns": 500,
    "place_page_ns": 4000,
    "discard_command_ns": 10,
}
"""Constants whose spans are divided, and by how much at least."""

_HIDDEN = {
    "normal_page_ns": "first_touch_page_ns",
    "destination_page_ns": "sparse_page_ns",
    "destination_zero_page_ns": "zero_page_ns",
}
"""Constants that show only where they are larger than another one."""


def fitted_profile(
    base: HostProfile, seen: Seen, twins_seen: Callable[[HostProfile], Seen]
) -> HostProfile:
    """Move every constant until the twins' logs show the medians of the recorded ones.

    Parameters
    ----------
    base : HostProfile
        Where to begin; constants that nothing shows stay.
    seen : mapping
        Spans in the recorded logs.
    twins_seen : callable
        Gives the spans in the logs of the twins, simulated with a profile.

    Returns
    -------
    HostProfile
        The fitted profile.
    """
    profile = base
    for _ in range(_ROUNDS):
        simulated = twins_seen(profile)
        steps = {
            name: _median(seen[name]) - _median(simulated[name])
            for name in SPANS
            if seen[name] and simulated[name]
        }
        values = {
            name: max(0, round(getattr(profile, name) + step)) for name, step in steps.items()
        }
        if all(getattr(profile, name) == value for name, value in values.items()):
            break
        profile = limited(dataclasses.replace(profile, **values), base, values)
    return profile


def limited(profile: HostProfile, base: HostProfile, fitted: Mapping[str, int]) -> HostProfile:
    """Let no hidden constant be larger than the fitted one it hides behind."""
    caps = {
        hidden: min(getattr(base, hidden), fitted[shown])
        for hidden, shown in _HIDDEN.items()
        if shown in fitted
    }
    return dataclasses.replace(profile, **caps)


def fitted_constant(
    name: str, base: HostProfile, profile: HostProfile, seen: Mapping[str, Floats], shown: bool
) -> FittedConstant:
    """Put a fitted constant together with its evidence and its uncertainty.

    Parameters
    ----------
    name : str
        The constant.
    base, profile : HostProfile
        Before and after the fit.
    seen : mapping of str to ndarray
        Capture to recorded spans.
    shown : bool
        Whether the twins' logs show it, too.

    Returns
    -------
    FittedConstant
        The entry of the report.
    """
    before, value = getattr(base, name), getattr(profile, name)
    if not seen or not shown:
        note = "no evidence: base value"
        if name in _HIDDEN:
            note = f"not seen beside {_HIDDEN[name]}"
        return FittedConstant(name, value, before, note=note)
    low, high = _interval(list(seen.values()))
    grain = -(-_GRAIN_NS // _PER_PAGE.get(name, 1))
    middle = _median(seen)
    return FittedConstant(
        name,
        value,
        before,
        low=max(0, int(np.floor(value + low - middle)) - grain),
        high=max(value, int(np.ceil(value + high - middle)) + grain),
        observations=sum(map(len, seen.values())),
        captures=tuple(seen),
        note="the other parts of its span are longer" if value == 0 else "",
    )


def _median(seen: Mapping[str, Floats]) -> float:
    return float(np.median(np.concatenate(list(seen.values()))))


def _interval(values: list[Floats]) -> tuple[float, float]:
    """Bootstrap the median: captures are drawn first, then the spans in each."""
    generator = np.random.default_rng(0)
    medians = np.empty(_RESAMPLES)
    for k in range(_RESAMPLES):
        drawn = [values[i] for i in generator.integers(len(values), size=len(values))]
        medians[k] = np.median(np.concatenate([generator.choice(v, size=len(v)) for v in drawn]))
    low, high = np.percentile(medians, [5, 95])
    return float(low), float(high)
