"""All spans of many migrations, by cost and capture: what the fit sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from migkit.calibrate.capability_spans import CAPABILITY_SPANS, shows_capability
from migkit.calibrate.destination_spans import DESTINATION_SPANS, destination_spans_of
from migkit.calibrate.fit import Seen
from migkit.calibrate.marks import Floats
from migkit.calibrate.spans import SPANS

if TYPE_CHECKING:
    from migkit.results import Migration
    from migkit.scenario import Scenario

__all__ = ["KNOWN_SPANS", "destination_evidence", "source_evidence"]

_PLAIN: Final = {
    "postcopy-ram",
    "return-path",
    "postcopy-blocktime",
    "pause-before-switchover",
    "events",
    "late-block-activate",
}
"""Capabilities under which the costs mean the same."""

KNOWN_SPANS: Final = frozenset({*SPANS, *CAPABILITY_SPANS, *DESTINATION_SPANS})
"""Costs that some capture can show."""


def _relayed(scenario: Scenario) -> bool:
    """Return whether something lies between the two sides that is not the host's link."""
    return scenario.link.bandwidth_bytes_per_s != scenario.host.link.bandwidth_bytes_per_s


def _is_plain(scenario: Scenario) -> bool:
    """Return whether the costs that every migration has can be read off this one."""
    return not _relayed(scenario) and set(scenario.capabilities) <= _PLAIN


def source_evidence(migrations: Iterable[Migration]) -> Seen:
    """Collect the spans of the sources' logs.

    Parameters
    ----------
    migrations : iterable of Migration
        Recorded or simulated, each with its scenario.

    Returns
    -------
    Seen
        Cost to migration to spans; costs that show only beside some capability come from the
        migrations with it, all others from plain ones.
    """
    seen: dict[str, dict[str, Floats]] = {name: {} for name in (*SPANS, *CAPABILITY_SPANS)}
    for position, migration in enumerate(migrations):
        scenario, log = migration.scenario, migration.source.logs["source"]
        if scenario is None:
            continue
        readers = dict(SPANS) if _is_plain(scenario) else {}
        readers |= {
            name: read
            for name, (_, read) in CAPABILITY_SPANS.items()
            if shows_capability(name, scenario)
        }
        for name, read in readers.items():
            _add(seen[name], migration.name, position, read(migration, log))
    return seen


def destination_evidence(migrations: Iterable[Migration]) -> Seen:
    """Collect the spans of the destinations' logs.

    Parameters
    ----------
    migrations : iterable of Migration
        Recorded, each with its scenario; relayed ones are left out.

    Returns
    -------
    Seen
        Cost to migration to spans.
    """
    seen: dict[str, dict[str, Floats]] = {name: {} for name in DESTINATION_SPANS}
    for position, migration in enumerate(migrations):
        if migration.scenario is None or _relayed(migration.scenario):
            continue
        for name, values in destination_spans_of(migration).items():
            _add(seen[name], migration.name, position, values)
    return seen


def _add(found: dict[str, Floats], label: str, position: int, values: Floats) -> None:
    values = values[np.isfinite(values)]
    if len(values):
        found[label if label not in found else f"{label} ({position + 1})"] = values
