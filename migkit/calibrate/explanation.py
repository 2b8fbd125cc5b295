"""Which captures a profile explains: every compared number of its twin beside the recordings."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from migkit.errors import NotSimulatedError
from migkit.simulate import simulate
from migkit.validate import Comparison
from migkit.validate.observed import (
    NUMBERS,
    all_recordings,
    completion_lines,
    from_capture,
    from_summary,
)
from migkit.validate.twin import Prediction, predicted_intervals, predicted_outcome

if TYPE_CHECKING:
    from migkit.capture import Capture
    from migkit.host import HostProfile
    from migkit.scenario import Scenario

__all__ = [
    "FITTED",
    "SAME",
    "SAME_PERCENT",
    "SHIPPED",
    "CaptureFit",
    "Misfit",
    "TwinFit",
    "capture_fit",
    "with_host",
]

_ALLOWED_PERCENT = 1.0
_CLOCK_MS = 1
_CLOSE_MS = 20.0
_REPLICATES = 20
SAME_PERCENT = 0.01
FITTED, SHIPPED, SAME = "fitted", "shipped", "the same"


@dataclass(frozen=True)
class Misfit:
    """One number of a capture that the twin cannot explain.

    Attributes
    ----------
    measure : str
        ``outcome`` or a number of `migkit.validate`.
    real, twin : object
        Median of the recordings; the twin's.
    interval : tuple of int or None
        The twin's 90 % interval, where it has one.
    """

    measure: str
    real: Any
    twin: Any
    interval: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """Return the measure, both values and how far they are apart."""
        unit = " ms" if self.measure.endswith("_ms") else ""
        words = self.measure.removesuffix("_ms").replace("_", " ")
        text = f"{words} {self.real}{unit}, twin {self.twin}{unit}"
        numbers = isinstance(self.real, int | float) and isinstance(self.twin, int | float)
        if not numbers:
            return text
        off = self.twin - self.real
        share = f", {100 * off / self.real:+.2g} %" if self.real else ""
        return f"{text} ({off:+g}{unit}{share})"


@dataclass(frozen=True)
class TwinFit:
    """One twin of a capture.

    Attributes
    ----------
    total_time_ms : int or None
        The twin's.
    error_percent : float or None
        Twin minus the median recording, percent of that.
    traced_error_percent : float or None
        Twin minus the recording whose logs are there, percent of that.
    off : tuple of Misfit
        What it cannot explain.
    alike, judged : int
        Numbers that cannot be told from a further recording, of those with repeats.
    margin_ms : float or None
        How much longer or shorter the guest would have had to write to turn a decision.
    """

    total_time_ms: int | None
    error_percent: float | None
    traced_error_percent: float | None
    off: tuple[Misfit, ...]
    alike: int
    judged: int
    margin_ms: float | None

    @property
    def explained(self) -> bool:
        """Whether nothing is off."""
        return not self.off

    def __str__(self) -> str:
        """Return what is off, and how close the twin's nearest decision was."""
        parts = [str(item) for item in self.off]
        if self.off and self.margin_ms is not None and self.margin_ms < _CLOSE_MS:
            parts.append(f"a decision of the twin turns within {self.margin_ms:.2g} ms")
        return "; ".join(parts)


@dataclass(frozen=True)
class CaptureFit:
    """One capture under the fitted profile and under the shipped one.

    Attributes
    ----------
    name : str
        The capture's folder.
    total_time_ms : float or None
        Median of its recordings.
    traced_ms : int or None
        Of the recording whose logs are there: the fit sees this one only.
    fitted, shipped : TwinFit or None
        The twins; None when not simulated.
    not_simulated : tuple of str
        QEMU's names of what the engine does not model.
    """

    name: str
    total_time_ms: float | None
    traced_ms: int | None = None
    fitted: TwinFit | None = None
    shipped: TwinFit | None = None
    not_simulated: tuple[str, ...] = ()

    @property
    def closer(self) -> str:
        """Which total time is closer: ``fitted``, ``shipped``, ``the same`` or empty."""
        if self.fitted is None or self.shipped is None:
            return ""
        errors = self.fitted.error_percent, self.shipped.error_percent
        if errors[0] is None or errors[1] is None:
            return ""
        gain = abs(errors[1]) - abs(errors[0])
        return SAME if abs(gain) < SAME_PERCENT else FITTED if gain > 0 else SHIPPED

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        twins = {name: _plain(getattr(self, name)) for name in ("fitted", "shipped")}
        return {**asdict(self), **twins, "closer": self.closer}


def _plain(twin: TwinFit | None) -> dict[str, Any] | None:
    return None if twin is None else {"explained": twin.explained, **asdict(twin)}


def capture_fit(capture: Capture, fitted: HostProfile, shipped: HostProfile) -> CaptureFit:
    """Simulate a capture on both hosts and compare.

    Parameters
    ----------
    capture : Capture
        The recording.
    fitted, shipped : HostProfile
        The profiles.

    Returns
    -------
    CaptureFit
        Both twins beside the recordings.
    """
    name = capture.folder.resolve().name
    try:
        twins = [_twin_fit(capture, profile) for profile in (fitted, shipped)]
    except NotSimulatedError as error:
        return CaptureFit(name, None, not_simulated=error.capabilities)
    totals = all_recordings(capture).get("total_time_ms")
    traced = from_capture(capture).total_time_ms
    return CaptureFit(name, median(totals) if totals else None, traced, twins[0], twins[1])


def with_host(scenario: Scenario, profile: HostProfile) -> Scenario:
    """Move a scenario to another host; a relay stays the link it was."""
    link = profile.link
    bandwidth = scenario.link.bandwidth_bytes_per_s
    if bandwidth != scenario.host.link.bandwidth_bytes_per_s:
        link = dataclasses.replace(link, bandwidth_bytes_per_s=bandwidth)
    return dataclasses.replace(scenario, host=profile, link=link)


def _twin_fit(capture: Capture, profile: HostProfile) -> TwinFit:
    scenario = with_host(capture.scenario, profile)
    twin = simulate(scenario)
    outcome = predicted_outcome(scenario, twin, "compiled")
    observed = from_summary(twin.summary, outcome, completion_lines(twin))
    comparison = Comparison(
        name=capture.name,
        real=from_capture(capture),
        recordings=all_recordings(capture),
        prediction=Prediction(observed=observed),
    )
    judged = [comparison.indistinguishable(number) for number in NUMBERS]
    known = [like for like in judged if like is not None]
    total = observed.total_time_ms
    return TwinFit(
        total_time_ms=total,
        error_percent=_percent(total, comparison.real_median("total_time_ms")),
        traced_error_percent=_percent(total, comparison.real.total_time_ms),
        off=_misfits(comparison, scenario),
        alike=sum(known),
        judged=len(known),
        margin_ms=twin.margin_ms,
    )


def _percent(twin: float | None, real: float | None) -> float | None:
    return 100 * (twin - real) / real if twin is not None and real else None


def _misfits(comparison: Comparison, scenario: Scenario) -> tuple[Misfit, ...]:
    """Name what is neither like a recording, nor near its median, nor in the 90 % interval."""
    real, twin = comparison.real, comparison.twin
    off = []
    if comparison.exact("outcome") is False:
        off.append(Misfit("outcome", real.outcome, twin.outcome))
    numbers = [number for number in NUMBERS if not _near(comparison, number)]
    intervals = predicted_intervals(scenario, _REPLICATES) if numbers else {}
    for number in numbers:
        middle, ends = comparison.real_median(number), intervals.get(number)
        if ends is None or middle is None or not ends[0] <= middle <= ends[1]:
            off.append(Misfit(number, middle, getattr(twin, number), ends))
    return tuple(off)


def _near(comparison: Comparison, number: str) -> bool:
    real, twin = comparison.real_median(number), getattr(comparison.twin, number)
    if real is None or twin is None:
        return real is twin
    grain = _CLOCK_MS if number.endswith("_ms") else 0
    allowed = max(abs(real) * _ALLOWED_PERCENT / 100, grain)
    return comparison.indistinguishable(number) is True or abs(twin - real) <= allowed
