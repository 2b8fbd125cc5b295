"""The noise of a host: what differs between recordings, as quantiles to draw from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.calibrate.constant import FITTED, NOT_IDENTIFIED
from migkit.calibrate.costs import number_of
from migkit.calibrate.fit import Seen
from migkit.calibrate.marks import Floats
from migkit.calibrate.uncertainty import pooled_median
from migkit.errors import CaptureError
from migkit.host import HostProfile

if TYPE_CHECKING:
    from migkit.capture import Capture

__all__ = ["FittedScatter", "fitted_noise"]

_FEWEST_WINDOWS = 20
_FEWEST = 4
_MOST_QUANTILES = 11
_LATE_QUANTILES = 50
_DRAWN_PARTS = ("", "postcopy")
"""Parts of the profile whose costs `migkit.host.noise.Noise` draws."""


@dataclass(frozen=True)
class FittedScatter:
    """One list of quantiles of the host's noise.

    Attributes
    ----------
    name : str
        ``noise.`` and the field of `migkit.host.noise.Noise`; for a cost ``noise.costs.`` and
        the cost.
    status : str
        ``fitted`` or ``not identified``.
    low, high : int or None
        Smallest and largest of its values; None of an empty list.
    values : int
        How many values it has now.
    observations : int
        How many recorded values it is made of.
    captures : tuple of str
        Where they are from.
    note : str
        Why it is the base's; empty otherwise.
    """

    name: str
    status: str
    low: int | None = None
    high: int | None = None
    values: int = 0
    observations: int = 0
    captures: tuple[str, ...] = ()
    note: str = ""


def fitted_noise(
    base: HostProfile, profile: HostProfile, seen: Seen, captures: Iterable[Capture]
) -> tuple[HostProfile, tuple[FittedScatter, ...]]:
    """Put the scatter of the recordings into the profile's noise.

    Parameters
    ----------
    base, profile : HostProfile
        Before and after the fit of the costs.
    seen : mapping
        All spans, by cost and capture.
    captures : iterable of Capture
        Whose ``repeats.json`` tells when commands were given.

    Returns
    -------
    HostProfile
        The profile with its noise.
    tuple of FittedScatter
        An entry for each list.

    Raises
    ------
    CaptureError
        If a ``repeats.json`` tells a command's time by anything but seconds.
    """
    late, late_entry = _lateness(base, seen["limiter_wake_ns"])
    shifts, shift_entry = _command_shifts(base, captures)
    costs, cost_entries = _cost_quantiles(base, profile, seen)
    noise = dataclasses.replace(
        base.noise, limiter_late_ns=late, command_shift_ns=shifts, costs=costs
    )
    lead = _entry("noise.workload_lead_shift_ns", base.noise.workload_lead_shift_ns)
    lead = dataclasses.replace(lead, note="no recording tells when the workload began")
    entries = (late_entry, lead, shift_entry, *cost_entries)
    return dataclasses.replace(profile, noise=noise), entries


def _entry(
    name: str, values: Sequence[int], observations: int = 0, captures: Iterable[str] = ()
) -> FittedScatter:
    return FittedScatter(
        name,
        FITTED if observations else NOT_IDENTIFIED,
        min(values, default=None),
        max(values, default=None),
        len(values),
        observations,
        tuple(captures),
    )


def _lateness(
    base: HostProfile, seen: Mapping[str, Floats]
) -> tuple[tuple[tuple[int, ...], ...], FittedScatter]:
    """How much later than usual the limiter woke up: a list for each recording."""
    name = "noise.limiter_late_ns"
    used = {key: values for key, values in seen.items() if len(values) >= _FEWEST_WINDOWS}
    if not used:
        kept = [value for values in base.noise.limiter_late_ns for value in values]
        note = f"no capture has {_FEWEST_WINDOWS} windows"
        return base.noise.limiter_late_ns, dataclasses.replace(_entry(name, kept), note=note)
    places = 100 * (np.arange(_LATE_QUANTILES) + 0.5) / _LATE_QUANTILES
    lists = []
    for values in used.values():
        late = np.maximum(values - np.median(values), 0.0)
        lists.append(tuple(np.percentile(late, places).round().astype(int).tolist()))
    every = [value for values in lists for value in values]
    return tuple(lists), _entry(name, every, sum(map(len, used.values())), used)


def _command_shifts(
    base: HostProfile, captures: Iterable[Capture]
) -> tuple[tuple[int, ...], FittedScatter]:
    """How much later than in the capture a repeat gave the same command."""
    name = "noise.command_shift_ns"
    found: list[float] = []
    names = []
    for capture in captures:
        own, *repeats = map(_issued_s, capture.recordings, repeat(capture))
        shifts = [
            (later - at) * 1e9
            for other in repeats
            if len(other) == len(own)
            for later, at in zip(other, own, strict=True)
            if later is not None and at is not None
        ]
        names += [capture.folder.resolve().name] if shifts else []
        found += shifts
    if len(found) < _FEWEST:
        kept = base.noise.command_shift_ns
        note = "too few repeats with commands"
        return kept, dataclasses.replace(_entry(name, kept), note=note)
    quantiles = _quantiles(np.array(found))
    return quantiles, _entry(name, quantiles, len(found), names)


def _issued_s(recording: Mapping[str, Any], capture: Capture) -> list[float | None]:
    """When the commands of one recording were given; None where nobody noted it."""
    times = recording.get("timeline_issued_s") or []
    if not isinstance(times, list) or not all(
        item is None or isinstance(item, int | float) for item in times
    ):
        raise CaptureError.of(
            f"read the repeats of {capture.folder}",
            f"timeline_issued_s {times!r} is no list of seconds",
            "give the second of each command",
        )
    return times


def _cost_quantiles(
    base: HostProfile, profile: HostProfile, seen: Seen
) -> tuple[dict[str, tuple[int, ...]], list[FittedScatter]]:
    """Each recording's own median of a cost, around the fitted value."""
    costs: dict[str, tuple[int, ...]] = {}
    entries = []
    shown = [name for name, found in seen.items() if len(found) >= _FEWEST and _drawn(name)]
    for name in dict.fromkeys([*base.noise.costs, *shown]):
        label = f"noise.costs.{name}"
        if name in shown:
            medians = np.array([float(np.median(values)) for values in seen[name].values()])
            around = medians - pooled_median(list(seen[name].values()))
            costs[name] = _quantiles(np.maximum(number_of(profile, name) + around, 0))
            entries.append(_entry(label, costs[name], len(medians), seen[name]))
            continue
        moved = number_of(profile, name) - number_of(base, name)
        costs[name] = tuple(max(0, value + moved) for value in base.noise.costs[name])
        note = f"in fewer than {_FEWEST} captures" + ("; moved with its cost" if moved else "")
        entries.append(dataclasses.replace(_entry(label, costs[name]), note=note))
    return costs, entries


def _drawn(name: str) -> bool:
    return name.rpartition(".")[0] in _DRAWN_PARTS


def _quantiles(values: Floats) -> tuple[int, ...]:
    """All values if they are few, otherwise as many places between the first and the last."""
    count = min(len(values), _MOST_QUANTILES)
    places = np.linspace(0, 100, count)
    return tuple(np.percentile(values, places).round().astype(int).tolist())
