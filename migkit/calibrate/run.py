"""Calibrate: read captures, fit, and check the twins with the fitted profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from migkit.calibrate.calibration import Calibration
from migkit.calibrate.constant import FittedConstant, fitted_constant, kept
from migkit.calibrate.costs import number_names
from migkit.calibrate.evidence import KNOWN_SPANS, destination_evidence, source_evidence
from migkit.calibrate.explanation import capture_fit, with_host
from migkit.calibrate.fit import Seen, fitted_profile, median_of
from migkit.calibrate.scatter import fitted_noise
from migkit.capture import Capture, read_capture
from migkit.errors import CaptureError, NotSimulatedError
from migkit.host import HostProfile
from migkit.simulate import simulate
from migkit.validate import find_captures

__all__ = ["calibrate"]

#: Called before each capture with (position from 1, number of captures, name).
Progress = Callable[[int, int, str], None]

_METHOD: Final = (
    "Steps of the destination: the median span of its logs. Each other cost moved until the "
    "twins' logs show the median span of the sources' logs. Noise: scatter between the "
    "recordings. Total times, byte counts and the captures' names were not used."
)


def calibrate(
    folders: Iterable[str | Path],
    base: HostProfile | str | Path = "captures",
    name: str = "calibrated",
    progress: Progress | None = None,
) -> Calibration:
    """Fit the costs of a host on recorded migrations.

    Parameters
    ----------
    folders : iterable of str or Path
        Captures, or folders of captures.
    base : HostProfile, str or Path
        Profile to begin with; constants that the captures do not show keep its value.
    name : str
        Name of the fitted profile.
    progress : callable, optional
        Told of each capture before it is read, and again before its twins are compared.

    Returns
    -------
    Calibration
        The profile; each of its numbers with interval and evidence, or as not identified; and
        each capture beside its twins with the fitted and with the shipped profile. A capture is
        explained if its outcome is right and each compared number is like a further recording,
        or within 1 % (1 ms) of the recordings' median, or has that median in its 90 % interval.

    Raises
    ------
    CaptureError
        If a folder is not and does not hold a capture, or none of them shows anything.
    HostProfileError
        If there is no such base.
    """
    start = base if isinstance(base, HostProfile) else HostProfile.load(base)
    paths = find_captures(folders)
    captures = []
    for position, path in enumerate(paths, start=1):
        if progress is not None:
            progress(position, len(paths), path.name)
        captures.append(read_capture(path))
    return _calibration(start, name, captures, progress or (lambda *_: None))


def _calibration(
    base: HostProfile, name: str, captures: list[Capture], progress: Progress
) -> Calibration:
    simulated = [capture for capture in captures if _can_be_simulated(capture)]
    seen, direct = source_evidence(simulated), destination_evidence(simulated)
    names = {label for found in (*seen.values(), *direct.values()) for label in found}
    used = [capture for capture in simulated if _label(capture.name) in map(_label, names)]
    if not used:
        raise CaptureError.of(
            "calibrate", "no capture without relay that shows a cost", "give such a capture"
        )
    shown = [capture for capture in used if any(capture.name in seen[cost] for cost in seen)]

    def twins_seen(profile: HostProfile) -> Seen:
        return source_evidence(simulate(with_host(item.scenario, profile)) for item in shown)

    profile = dataclasses.replace(
        fitted_profile(base, direct, seen, twins_seen),
        name=name,
        method=_METHOD,
        fitted_on=tuple(capture.folder.resolve().name for capture in used),
    )
    constants = _constants(base, profile, {**seen, **direct}, direct, twins_seen(profile))
    profile, scatter = fitted_noise(base, profile, {**seen, **direct}, captures)
    shipped, fits = HostProfile.load(), []
    for position, capture in enumerate(captures, start=1):
        progress(position, len(captures), capture.folder.resolve().name)
        fits.append(capture_fit(capture, profile, shipped))
    return Calibration(profile, constants, scatter, tuple(fits), shipped)


def _can_be_simulated(capture: Capture) -> bool:
    try:
        simulate(capture.scenario)
    except NotSimulatedError:
        return False
    return True


def _label(name: str) -> str:
    """Take off what tells two captures of one name apart."""
    return name.partition(" (")[0]


def _constants(
    base: HostProfile, profile: HostProfile, seen: Seen, direct: Seen, twins: Seen
) -> tuple[FittedConstant, ...]:
    """One entry for each number of the profile, in its order."""
    entries = []
    for name in number_names(profile):
        found, twin = seen.get(name), twins.get(name)
        if not found or (name not in direct and not twin):
            entries.append(kept(name, base, profile, name in KNOWN_SPANS))
            continue
        middle = median_of(twin) if twin else None
        entries.append(fitted_constant(name, base, profile, found, middle))
    return tuple(entries)
