"""Point (2a): a second iterable beside RAM, while the last pages of RAM go."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from migkit.evidence.pairs import RULES
from migkit.scenario import Scenario
from migkit.scenario.iterables import IterableHandler
from migkit.simulate import simulate

if TYPE_CHECKING:
    from migkit.results import Migration

#: A second handler beside RAM: small steps, and enough data to be at work to the end.
SECOND = IterableHandler(
    name="second", initial_bytes=16 << 20, chunk_bytes=256 << 10, postcopiable=True
)


def with_second_iterable(scenario: Scenario, rule: str) -> Scenario:
    """Return the scenario with a second handler whose data may also go in postcopy."""
    return replace(scenario, completion_rule=rule, iterables=(SECOND,))


def service_table(scenario: Scenario, engine: str = "compiled") -> pd.DataFrame:
    """Point (2a): how the second iterable fares while the last pages of RAM go.

    Parameters
    ----------
    scenario : Scenario
        A migration that goes through postcopy.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    DataFrame
        A row for each rule: ``rule``, ``tail_ms`` (length of the window), ``times_served``,
        ``served_bytes``, ``longest_wait_ms``.

    Notes
    -----
    The window is the same part of the migration under both rules: from the first pass in postcopy
    that finds less pending than the threshold (there the old rule enters ``save_complete``) to
    the end of the section with the last page of RAM.
    """
    rows = []
    for rule in RULES:
        migration = simulate(with_second_iterable(scenario, rule), engine=engine)
        rows.append({"rule": rule} | second_service(migration))
    return pd.DataFrame(rows)


def second_service(migration: Migration) -> dict[str, Any]:
    """Measure how the second iterable of one simulated migration was served in the tail."""
    start_ns, end_ns = tail_span_ns(migration)
    sections = migration.events_of("savevm_section_start")
    served_at = sections.loc[sections["id"] == SECOND.name, "t_ns"].astype("int64")
    inside = served_at[(served_at >= start_ns) & (served_at < end_ns)]
    earlier = int((served_at < start_ns).sum())
    left = max(0, SECOND.initial_bytes - earlier * SECOND.chunk_bytes)
    moments = [start_ns, *inside, end_ns]
    waits = [later - sooner for sooner, later in pairwise(moments)]
    return {
        "tail_ms": (end_ns - start_ns) / 1e6,
        "times_served": len(inside),
        "served_bytes": min(left, len(inside) * SECOND.chunk_bytes),
        "longest_wait_ms": max(waits) / 1e6,
    }


def tail_span_ns(migration: Migration) -> tuple[int, int]:
    """Return when pending first fell below the threshold in postcopy, and when RAM was done."""
    passes = migration.iterations[migration.iterations["in_postcopy"] == 1]
    below = passes[passes["pending_estimate_bytes"] < passes["threshold_size_bytes"]]
    return int(below["t_ns"].iloc[0]), _last_page_ns(migration, passes)


def _last_page_ns(migration: Migration, passes: pd.DataFrame) -> int:
    """Return the end of the RAM section that moved the last page."""
    sending = passes[passes["normal_pages"] + passes["zero_pages"] > 0].iloc[-1]
    sections = migration.events_of("savevm_section_end")
    ends = sections.loc[sections["id"] == "ram", "t_ns"]
    return int(ends[ends >= sending["t_ns"]].iloc[0])
