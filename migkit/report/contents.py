"""What goes into a report, and its one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migkit.evidence import Evidence, unrecoverable_share_percent
from migkit.evidence.pairs import RULES
from migkit.validate import Validation


@dataclass(frozen=True)
class Picture:
    """One figure of the report.

    Attributes
    ----------
    title : str
        What it shows.
    svg : Path
        The file; it is copied into the page.
    """

    title: str
    svg: Path


@dataclass(frozen=True, eq=False)
class Report:
    """What goes into a report.

    Attributes
    ----------
    evidence : Evidence
        The tables.
    validation : Validation
        The twin against the recordings.
    pictures : sequence of Picture
        In the order in which they are shown.
    provenance : mapping
        Versions, inputs and their checksums; may be nested.
    fitted : mapping of str to str
        The fitted inputs of the commit's scenario: name and how it was found.
    """

    evidence: Evidence
    validation: Validation
    pictures: Sequence[Picture]
    provenance: Mapping[str, Any]
    fitted: Mapping[str, str]


def verdict(evidence: Evidence) -> str:
    """Say in one sentence what the evidence shows.

    Parameters
    ----------
    evidence : Evidence
        The tables.

    Returns
    -------
    str
        Largest numbers over the recorded postcopy pairs, and the simulated cuts.
    """
    pairs = evidence.pairs
    recorded = pairs[(pairs["source"] == "recorded") & pairs["postcopy_ms"].notna()]
    columns = ["pages_inside", "share_of_postcopy_pages_percent"]
    before, after = (recorded.loc[recorded["rule"] == rule, columns].max() for rule in RULES)
    lost, still_lost = (
        unrecoverable_share_percent(evidence.cuts[evidence.cuts["rule"] == rule]) for rule in RULES
    )
    moved_after = f"{int(after.iloc[0]):,}" if after.iloc[0] else "none"
    return (
        f"Before the rewrite up to {int(before.iloc[0]):,} pages "
        f"({float(before.iloc[1]):.0f} % of postcopy) were moved "
        f"inside save_complete in the recordings, after it "
        f"{moved_after}; a cut of the connection loses the guest in "
        f"{lost:.0f} % of postcopy before and in {still_lost:.0f} % after (simulated)."
    )
