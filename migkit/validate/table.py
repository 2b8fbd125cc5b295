"""The comparison as text for a terminal of 120 columns."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from migkit.text_table import text_table
from migkit.validate.comparison import Comparison, Validation
from migkit.validate.observed import NUMBERS, Outcome

WIDTH = 120
NO_VALUE = "-"
_NAME_WIDTH = 24
_ENDING_WIDTH = 22


def validation_table(validation: Validation) -> str:
    """Lay out a validation as a table with the sums below it.

    Parameters
    ----------
    validation : Validation
        What to show.

    Returns
    -------
    str
        Lines of at most 120 columns.
    """
    rows = [_row(item) for item in validation.comparisons]
    return "\n".join(
        [text_table(rows, left=("capture", "ending")), "", *_summary_lines(validation.summary)]
    )


def _row(item: Comparison) -> dict[str, str]:
    missing = ", ".join(item.prediction.not_simulated)
    ending = f"not simulated: {missing}" if missing else _ending(item)
    return {
        "capture": _cut_inside(item.name, _NAME_WIDTH),
        "ending": _cut(ending, _ENDING_WIDTH),
        "total ms": _pair(item, "total_time_ms"),
        "err %": _percent(item.absolute_percentage_error("total_time_ms")),
        "down ms": _pair(item, "downtime_ms"),
        "syncs": _pair(item, "dirty_sync_count"),
        "precopy B": _signed(_difference(item, "precopy_bytes")),
        "like": _likeness(item),
        "complete": f"{_first_dirty(item.real)}:{_first_dirty(item.twin)}",
    }


def _likeness(item: Comparison) -> str:
    judged = [item.indistinguishable(number) for number in NUMBERS]
    known = [like for like in judged if like is not None]
    return f"{sum(known)}/{len(known)}" if known else NO_VALUE


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut_inside(text: str, width: int) -> str:
    """Shorten a name in its middle: names of captures differ in their ends."""
    left = width // 2
    return text if len(text) <= width else f"{text[:left]}…{text[left + 1 - width :]}"


def _ending(item: Comparison) -> str:
    real, twin = _short(item.real.outcome), _short(item.twin.outcome)
    return real if item.exact("outcome") else f"{real}:{twin}"


def _short(outcome: Outcome) -> str:
    if isinstance(outcome, dict):
        return ", ".join(_short(states["source"]) for states in outcome.values())
    if outcome is None:
        return NO_VALUE
    return outcome.split(" at ")[0].removeprefix("postcopy-")


def _difference(item: Comparison, number: str) -> int | None:
    real, twin = getattr(item.real, number), getattr(item.twin, number)
    return None if real is None or twin is None else twin - real


def _first_dirty(side: Any) -> str:
    lines = side.ram_save_complete
    return _text(lines[0][0]) if lines else NO_VALUE


def _pair(item: Comparison, number: str) -> str:
    return f"{_text(item.real_median(number))}:{_text(getattr(item.twin, number))}"


def _text(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _signed(value: int | None) -> str:
    return NO_VALUE if value is None else "exact" if value == 0 else f"{value:+d}"


def _percent(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2f}"


def _interval_line(summary: dict[str, Any]) -> list[str]:
    held = summary["interval_coverage_percent"]
    return [] if held is None else [f"90 % intervals  hold {held:.1f} % of the recorded numbers"]


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    lines = [
        "pairs are recording:twin; total, down and syncs are the median of all recordings of a "
        "scenario; precopy B is the twin's difference in bytes to the capture itself; like "
        "counts the numbers that cannot be told from a further recording; complete is dirty at "
        "the first ram_save_complete",
        f"{summary['captures']} captures, {summary['simulated']} simulated",
        *(
            f"not simulated   {name}: {', '.join(missing)}"
            for name, missing in summary["not_simulated"].items()
        ),
        f"total time      median error {_percent(summary['total_time_median_ape_percent'])} %, "
        f"largest {_percent(summary['total_time_max_ape_percent'])} % "
        f"({summary['total_time_compared']} compared)",
        f"precopy bytes   exact in {summary['precopy_bytes_exact']} of "
        f"{summary['precopy_bytes_compared']}, median error "
        f"{_percent(summary['precopy_bytes_median_ape_percent'])} %",
        f"dirty syncs     exact in {summary['dirty_sync_count_exact']} of "
        f"{summary['dirty_sync_count_compared']}",
        f"as a recording  {summary['indistinguishable']} of "
        f"{summary['indistinguishable_compared']} numbers with repeats are indistinguishable "
        f"({_percent(summary['indistinguishable_percent'])} %)",
        *_interval_line(summary),
        f"outcome         exact in {summary['outcome_exact']} of {summary['outcome_compared']}",
        f"complete 0 or not 0  right in {summary['ram_save_complete_pattern_exact']} of "
        f"{summary['ram_save_complete_pattern_compared']}",
        f"downtime        median error {_text(summary['downtime_median_abs_error_ms'])} ms "
        f"({summary['downtime_compared']} compared)",
    ]
    return [part for line in lines for part in wrap(line, WIDTH)]
