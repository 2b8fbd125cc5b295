"""Pairs of captures that differ in the completion rule and in nothing else."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from migkit.capture import read_capture
from migkit.evidence.tail import Tail, completion_tail
from migkit.scenario import Scenario
from migkit.simulate import simulate

RULES = ("before", "after")


@dataclass(frozen=True)
class Pair:
    """Two captures of the same scenario, one under each rule."""

    name: str
    before: Path
    after: Path

    def folders(self) -> Iterator[tuple[str, Path]]:
        """Yield (rule, folder), before first."""
        yield "before", self.before
        yield "after", self.after


def find_pairs(folders: Iterable[Path]) -> list[Pair]:
    """Match captures that went in alike, but for the rule.

    Parameters
    ----------
    folders : iterable of Path
        Captures.

    Returns
    -------
    list of Pair
        Sorted by name. Alike are QEMU's version, guest, workload, transport, capabilities,
        parameters and the commands of the timeline; the seconds at which they were given are not
        compared.
    """
    alike: dict[str, dict[str, list[Path]]] = defaultdict(lambda: {rule: [] for rule in RULES})
    for folder in sorted(folders, key=lambda path: path.name):
        scenario = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))
        rule = scenario["qemu"]["completion_rule"]
        alike[_what_went_in(scenario)][rule].append(folder)
    pairs = [
        Pair(_common_name(before.name, after.name), before, after)
        for sides in alike.values()
        for before, after in zip(sides["before"], sides["after"], strict=False)
    ]
    return sorted(pairs, key=lambda pair: pair.name)


def _what_went_in(scenario: dict[str, Any]) -> str:
    kept = {
        name: scenario.get(name) for name in ("guest", "transport", "capabilities", "parameters")
    }
    kept["qemu"] = scenario["qemu"] | {"completion_rule": None}
    kept["commands"] = [
        (item["command"], item.get("arguments")) for item in scenario.get("timeline", [])
    ]
    return json.dumps(kept, sort_keys=True)


def _common_name(before: str, after: str) -> str:
    """Return what two names begin with, cut at a dash."""
    words = []
    for one, other in zip(before.split("-"), after.split("-"), strict=False):
        if one != other:
            break
        words.append(one)
    return "-".join(words) or before


def pairs_table(pairs: Iterable[Pair], engine: str = "compiled") -> pd.DataFrame:
    """Measure every pair, recorded and simulated from its scenario alone.

    Parameters
    ----------
    pairs : iterable of Pair
        What to measure.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    DataFrame
        A row for each pair, rule and source ("recorded", "simulated"); columns as in
        `tail_row`.
    """
    rows = []
    for pair in pairs:
        for rule, folder in pair.folders():
            recorded = completion_tail(read_capture(folder))
            simulated = completion_tail(simulate(Scenario.from_capture(folder), engine=engine))
            for source, measured in (("recorded", recorded), ("simulated", simulated)):
                rows.append({"pair": pair.name, "rule": rule, "source": source})
                rows[-1].update(tail_row(measured))
    return pd.DataFrame(rows).convert_dtypes()


def tail_row(tail: Tail) -> dict[str, Any]:
    """Return one row of a table of tails.

    Parameters
    ----------
    tail : Tail
        The numbers of one migration.

    Returns
    -------
    dict
        Pages (``dirty_at_start``, ``dirty_at_end``, ``pages_inside``), shares in percent,
        durations in ms, the point (1) and (2) numbers, and the outcome.
    """
    return {
        "dirty_at_start": tail.dirty_at_start,
        "dirty_at_end": tail.dirty_at_end,
        "pages_inside": tail.pages_inside,
        "share_of_postcopy_pages_percent": tail.share_of_pages_percent,
        "share_of_postcopy_time_percent": tail.share_of_time_percent,
        "duration_ms": tail.duration_ms,
        "postcopy_ms": tail.postcopy_ms,
        "exact_queries_in_postcopy": tail.exact_queries_in_postcopy,
        "pending_at_completion_bytes": tail.pending_at_completion_bytes,
        "outcome": tail.outcome,
    }
