"""Timelines as people write them: moments in units, a link profile, when postcopy starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from migkit.errors import ScenarioError
from migkit.network.link_text import parse_profile
from migkit.records import record
from migkit.scenario.timeline import TimelineItem
from migkit.units import parse_duration

__all__ = ["written_timeline"]


def written_timeline(
    items: Iterable[TimelineItem | Mapping[str, Any]],
    postcopy_at: str | None,
    link_profile: str | None,
) -> tuple[TimelineItem, ...]:
    """Join everything that is given at some moment.

    Parameters
    ----------
    items : iterable of TimelineItem or mapping
        Commands; a mapping may say ``at`` and ``after`` as ``"3s"``.
    postcopy_at : str, optional
        When ``migrate-start-postcopy`` is given.
    link_profile : str, optional
        The link's bandwidth over time, see `migkit.network.link_text.parse_profile`.

    Returns
    -------
    tuple of TimelineItem
        All of them.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    joined = [_item(item) for item in items]
    if postcopy_at is not None:
        at_s = parse_duration(postcopy_at, "postcopy_at") / 1e9
        joined.insert(0, TimelineItem("migrate-start-postcopy", at_s=at_s))
    if link_profile is not None:
        joined += [
            TimelineItem("link-change", at_s=at_s, arguments={"bandwidth": rate})
            for at_s, rate in parse_profile(link_profile)
        ]
    return tuple(joined)


def _item(item: TimelineItem | Mapping[str, Any]) -> TimelineItem:
    if isinstance(item, TimelineItem):
        return item
    if not isinstance(item, Mapping):
        raise ScenarioError.of(f"timeline item {item!r}", "not a table", "give command and at")
    values = dict(item)
    for written, exact in (("at", "at_s"), ("after", "after_s")):
        if written in values:
            seconds = parse_duration(values.pop(written), f"timeline {written}") / 1e9
            values[exact] = seconds
    return record(TimelineItem, values, "timeline item", ScenarioError)
