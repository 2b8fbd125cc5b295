"""Recording and twin of one capture beside each other, and the sums over many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from migkit.validate.likeness import indistinguishable
from migkit.validate.observed import NUMBERS, Observed
from migkit.validate.twin import Prediction

Number = int | float


@dataclass(frozen=True)
class Comparison:
    """One capture: what was recorded and what its twin predicts.

    Attributes
    ----------
    name : str
        The capture's folder.
    real : Observed
        The recording.
    recordings : dict of str to tuple of int
        For each number every recorded value of the same scenario, this recording first.
    prediction : Prediction
        The twin.
    """

    name: str
    real: Observed
    recordings: dict[str, tuple[int, ...]]
    prediction: Prediction

    @property
    def simulated(self) -> bool:
        """Whether there is a twin to compare with."""
        return self.prediction.observed is not None

    @property
    def twin(self) -> Observed:
        """The twin's values, all None when it was not simulated."""
        return self.prediction.observed or Observed()

    def real_median(self, number: str) -> Number | None:
        """Return the median over all recordings of this scenario, or None without a value."""
        values = self.recordings.get(number, ())
        if not values:
            return None
        middle = median(values)
        return int(middle) if float(middle).is_integer() else middle

    def error(self, number: str) -> Number | None:
        """Return twin minus the median recording; None where a side has no value."""
        real, twin = self.real_median(number), getattr(self.twin, number)
        return None if real is None or twin is None else twin - real

    def absolute_percentage_error(self, number: str) -> float | None:
        """Return ``|error|`` in percent of the median recording; None where it has no meaning."""
        error, real = self.error(number), self.real_median(number)
        return 100 * abs(error) / real if error is not None and real else None

    def exact(self, name: str) -> bool | None:
        """Return whether the twin's value is this recording's; None where a side has none."""
        real, twin = getattr(self.real, name), getattr(self.twin, name)
        return None if real is None or twin is None else real == twin

    def within_recordings(self, number: str) -> bool | None:
        """Return whether the twin lies between the smallest and the largest recorded value."""
        values, twin = self.recordings.get(number, ()), getattr(self.twin, number)
        return min(values) <= twin <= max(values) if values and twin is not None else None

    def indistinguishable(self, number: str) -> bool | None:
        """Return whether the twin is as close to a recording as a second recording is.

        None without a twin or without repeats of the recording.
        """
        if not self.simulated:
            return None
        return indistinguishable(
            getattr(self.twin, number), self.recordings.get(number, ()), number
        )

    def interval(self, number: str) -> list[int] | None:
        """Return the ends of the predicted interval, None where there is none."""
        ends = self.prediction.intervals.get(number)
        return None if ends is None else list(ends)

    def held(self, number: str) -> list[bool]:
        """Return of each recording whether the predicted interval holds it."""
        ends = self.interval(number)
        values = self.recordings.get(number, ())
        return [] if ends is None else [ends[0] <= value <= ends[1] for value in values]

    @property
    def completion_pattern_exact(self) -> bool | None:
        """Whether ``ram_save_complete`` has pages to move (or none) where the recording has."""
        real, twin = self.real.ram_save_complete, self.twin.ram_save_complete
        if real is None or twin is None:
            return None
        return _pattern(real) == _pattern(twin)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of the JSON report."""
        entry: dict[str, Any] = {
            "name": self.name,
            "outcome": {"real": self.real.outcome, "twin": self.twin.outcome},
        }
        for number in NUMBERS:
            entry[number] = {
                "real": getattr(self.real, number),
                "real_median": self.real_median(number),
                "twin": getattr(self.twin, number),
                "recordings": list(self.recordings.get(number, ())),
                "indistinguishable": self.indistinguishable(number),
            }
            if self.prediction.intervals:
                entry[number]["interval"] = self.interval(number)
        entry["ram_save_complete"] = {
            "real": _as_objects(self.real.ram_save_complete),
            "twin": _as_objects(self.twin.ram_save_complete),
        }
        entry["margin_ms"] = self.prediction.margin_ms
        entry["seconds_to_simulate"] = self.prediction.seconds_to_simulate
        entry["not_simulated"] = list(self.prediction.not_simulated)
        return entry


def _pattern(lines: tuple[tuple[int, int], ...]) -> list[tuple[bool, int]]:
    return [(dirty > 0, done) for dirty, done in lines]


def _as_objects(lines: tuple[tuple[int, int], ...] | None) -> list[dict[str, int]] | None:
    if lines is None:
        return None
    return [{"dirty": dirty, "done": done} for dirty, done in lines]


@dataclass(frozen=True)
class Validation:
    """All comparisons of one run of ``migkit validate``."""

    comparisons: tuple[Comparison, ...]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The sums; each count of exact values stands beside the number compared."""
        simulated = [item for item in self.comparisons if item.simulated]
        time_errors = self._known(lambda item: item.absolute_percentage_error("total_time_ms"))
        byte_errors = self._known(lambda item: item.absolute_percentage_error("precopy_bytes"))
        downtime_errors = self._known(lambda item: item.error("downtime_ms"))
        summary: dict[str, Any] = {
            "captures": len(self.comparisons),
            "simulated": len(simulated),
            "not_simulated": {
                item.name: list(item.prediction.not_simulated)
                for item in self.comparisons
                if not item.simulated
            },
            "total_time_median_ape_percent": median(time_errors) if time_errors else None,
            "total_time_max_ape_percent": max(time_errors, default=None),
            "total_time_compared": len(time_errors),
            "precopy_bytes_median_ape_percent": median(byte_errors) if byte_errors else None,
            "precopy_bytes_max_ape_percent": max(byte_errors, default=None),
            "downtime_median_abs_error_ms": (
                median(map(abs, downtime_errors)) if downtime_errors else None
            ),
            "downtime_compared": len(downtime_errors),
        }
        for name in ("precopy_bytes", "dirty_sync_count", "outcome"):
            summary |= _count(f"{name}", [item.exact(name) for item in self.comparisons])
        for number in ("precopy_bytes", "dirty_sync_count", "total_time_ms", "downtime_ms"):
            within = [item.within_recordings(number) for item in self.comparisons]
            summary[f"{number}_within_recordings"] = sum(filter(None, within))
        summary |= self._likeness()
        patterns = [item.completion_pattern_exact for item in self.comparisons]
        return summary | _count("ram_save_complete_pattern", patterns)

    def _likeness(self) -> dict[str, Any]:
        """Sum up over all pairs of a capture and a number that have repeats and a twin."""
        judged = self._known_pairs()
        held = [
            inside
            for item in self.comparisons
            for number in NUMBERS
            for inside in item.held(number)
        ]
        return {
            "indistinguishable": sum(judged),
            "indistinguishable_compared": len(judged),
            "interval_coverage_percent": 100 * sum(held) / len(held) if held else None,
            "indistinguishable_percent": 100 * sum(judged) / len(judged) if judged else None,
        }

    def _known_pairs(self) -> list[bool]:
        pairs = (item.indistinguishable(number) for item in self.comparisons for number in NUMBERS)
        return [like for like in pairs if like is not None]

    def _known(self, value: Callable[[Comparison], Any]) -> list[Any]:
        values = (value(item) for item in self.comparisons)
        return [item for item in values if item is not None]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON report: ``captures`` in order, then ``summary``."""
        return {
            "captures": [item.to_dict() for item in self.comparisons],
            "summary": self.summary,
        }


def _count(name: str, answers: Sequence[bool | None]) -> dict[str, int]:
    known = [answer for answer in answers if answer is not None]
    return {f"{name}_exact": sum(known), f"{name}_compared": len(known)}
