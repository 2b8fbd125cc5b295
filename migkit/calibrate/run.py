"""Calibrate: read captures, fit, and check the twins with the fitted profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from migkit.calibrate.calibration import Calibration, FittedConstant
from migkit.calibrate.fit import Seen, fitted_constant, fitted_profile
from migkit.calibrate.spans import SPANS, Floats, spans_of
from migkit.capture import Capture, read_capture
from migkit.errors import CaptureError, NotSimulatedError
from migkit.host import HostProfile
from migkit.results import Migration
from migkit.scenario import Scenario
from migkit.simulate import simulate
from migkit.validate import Comparison, find_captures
from migkit.validate.observed import all_recordings, completion_lines, from_capture, from_summary
from migkit.validate.twin import Prediction, predicted_outcome

__all__ = ["calibrate"]

#: Called before each capture with (position from 1, number of captures, name).
Progress = Callable[[int, int, str], None]

_METHOD: Final = (
    "Each cost moved until the twins' trace logs show the median span of the recorded logs. "
    "Total times, byte counts and the captures' names were not used."
)
_PLAIN: Final = {
    "postcopy-ram",
    "return-path",
    "postcopy-blocktime",
    "pause-before-switchover",
    "events",
    "late-block-activate",
}
"""Capabilities under which the costs mean the same."""

_ALLOWED_ERROR_PERCENT = 1.0


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
        The profile, each constant with interval and evidence, and the captures it cannot explain:
        outcome wrong, or total time off the recordings' median by more than 1 %.

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
    used = [capture for capture in captures if _shows_costs(capture.scenario)]
    if not used:
        raise CaptureError.of(
            "calibrate",
            f"no capture without relay and with no capability but {', '.join(sorted(_PLAIN))}",
            "give such a capture",
        )
    return _calibration(start, name, captures, used)


def _shows_costs(scenario: Scenario) -> bool:
    relayed = scenario.link.bandwidth_bytes_per_s != scenario.host.link.bandwidth_bytes_per_s
    return not relayed and set(scenario.capabilities) <= _PLAIN


def _calibration(
    base: HostProfile, name: str, captures: list[Capture], used: list[Capture]
) -> Calibration:
    seen = _collect(used)
    last: list[Seen] = []

    def twins_seen(profile: HostProfile) -> Seen:
        twins = [simulate(_with_host(capture.scenario, profile)) for capture in used]
        last.append(_collect(twins))
        return last[-1]

    profile = dataclasses.replace(
        fitted_profile(base, seen, twins_seen),
        name=name,
        method=_METHOD,
        fitted_on=tuple(capture.folder.resolve().name for capture in used),
    )
    unexplained, not_simulated = _check(captures, profile)
    return Calibration(
        profile=profile,
        constants=_constants(base, profile, seen, last[-1]),
        unexplained=unexplained,
        not_simulated=not_simulated,
    )


def _constants(
    base: HostProfile, profile: HostProfile, seen: Seen, twins: Seen
) -> tuple[FittedConstant, ...]:
    """One entry for each cost of the profile, in its order."""
    names = [field.name for field in dataclasses.fields(HostProfile)]
    costs = [name for name in names if name.endswith(("_ns", "_ps"))]
    return tuple(
        fitted_constant(cost, base, profile, seen.get(cost, {}), bool(twins.get(cost)))
        for cost in costs
    )


def _collect(migrations: Iterable[Migration]) -> Seen:
    seen: dict[str, dict[str, Floats]] = {name: {} for name in SPANS}
    for position, migration in enumerate(migrations):
        label = migration.name
        for name, values in spans_of(migration).items():
            if len(values):
                key = label if label not in seen[name] else f"{label} ({position + 1})"
                seen[name][key] = values
    return seen


def _with_host(scenario: Scenario, profile: HostProfile) -> Scenario:
    """Move a scenario to another host; a relay stays the link it was."""
    link = profile.link
    bandwidth = scenario.link.bandwidth_bytes_per_s
    if bandwidth != scenario.host.link.bandwidth_bytes_per_s:
        link = dataclasses.replace(link, bandwidth_bytes_per_s=bandwidth)
    return dataclasses.replace(scenario, host=profile, link=link)


def _check(
    captures: Iterable[Capture], profile: HostProfile
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Compare every capture with its twin on the fitted host."""
    unexplained: dict[str, str] = {}
    not_simulated: dict[str, tuple[str, ...]] = {}
    for capture in captures:
        name = capture.folder.resolve().name
        try:
            reason = _mismatch(_comparison(capture, profile))
        except NotSimulatedError as error:
            not_simulated[name] = error.capabilities
            continue
        if reason:
            unexplained[name] = reason
    return unexplained, not_simulated


def _comparison(capture: Capture, profile: HostProfile) -> Comparison:
    scenario = _with_host(capture.scenario, profile)
    twin = simulate(scenario)
    outcome = predicted_outcome(scenario, twin, "compiled")
    observed = from_summary(twin.summary, outcome, completion_lines(twin))
    return Comparison(
        name=capture.folder.resolve().name,
        real=from_capture(capture),
        recordings=all_recordings(capture),
        prediction=Prediction(observed=observed),
    )


def _mismatch(comparison: Comparison) -> str:
    if comparison.exact("outcome") is False:
        return f"outcome {comparison.real.outcome}, twin {comparison.twin.outcome}"
    error = comparison.absolute_percentage_error("total_time_ms")
    if error is None or error <= _ALLOWED_ERROR_PERCENT:
        return ""
    real, twin = comparison.real_median("total_time_ms"), comparison.twin.total_time_ms
    return f"total time {real} ms, twin {twin} ms ({error:.2g} %)"
