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
from migkit.results import Migration
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
        Told of each capture before it is read.

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
    return _calibration(start, name, captures)


def _calibration(base: HostProfile, name: str, captures: list[Capture]) -> Calibration:
    seen, direct = source_evidence(captures), destination_evidence(captures)
    names = {label for found in (*seen.values(), *direct.values()) for label in found}
    used = [capture for capture in captures if _label(capture.name) in map(_label, names)]
    if not used:
        raise CaptureError.of(
            "calibrate", "no capture without relay that shows a cost", "give such a capture"
        )
    shown = [capture for capture in used if any(capture.name in seen[cost] for cost in seen)]

    def twins_seen(profile: HostProfile) -> Seen:
        return source_evidence(_twins(shown, profile))

    profile = dataclasses.replace(
        fitted_profile(base, direct, seen, twins_seen),
        name=name,
        method=_METHOD,
        fitted_on=tuple(capture.folder.resolve().name for capture in used),
    )
    constants = _constants(base, profile, {**seen, **direct}, direct, twins_seen(profile))
    profile, scatter = fitted_noise(base, profile, {**seen, **direct}, captures)
    shipped = HostProfile.load()
    return Calibration(
        profile=profile,
        constants=constants,
        scatter=scatter,
        captures=tuple(capture_fit(capture, profile, shipped) for capture in captures),
        shipped=shipped,
    )


def _label(name: str) -> str:
    """Take off what tells two captures of one name apart."""
    return name.partition(" (")[0]


def _twins(captures: Iterable[Capture], profile: HostProfile) -> Iterable[Migration]:
    """Simulate what can be simulated."""
    for capture in captures:
        try:
            yield simulate(with_host(capture.scenario, profile))
        except NotSimulatedError:
            continue


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
